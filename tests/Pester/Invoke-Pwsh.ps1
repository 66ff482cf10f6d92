<#
.SYNOPSIS
Runs the pwsh that runs this again, in a process of its own, with the arguments given.

.DESCRIPTION
pwsh may be a program, or a .NET tool, whose process is dotnet with pwsh.dll as its first argument.
#>
$program = [Environment]::ProcessPath
$library = [IO.Path]::GetFileNameWithoutExtension($program) -eq 'dotnet' ? [IO.Path]::Combine($PSHOME, 'pwsh.dll') : @()
& $program $library @args
