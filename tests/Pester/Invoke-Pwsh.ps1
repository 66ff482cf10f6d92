<#
.SYNOPSIS
Runs the pwsh that runs this again, in a process of its own, with the arguments given, and what is piped in as its input.

.DESCRIPTION
pwsh may be a program, or a .NET tool, whose process is dotnet with pwsh.dll as its first argument.

.PARAMETER Through
A program, with arguments, that is to run it.

.PARAMETER Argument
The arguments of pwsh, as they stand.

.PARAMETER InputObject
What is piped in: its input.
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [string[]] $Through = @(),

    [Parameter(ValueFromRemainingArguments)]
    [object[]] $Argument = @(),

    [Parameter(ValueFromPipeline)]
    [object] $InputObject
)

$program = [Environment]::ProcessPath
$library = [IO.Path]::GetFileNameWithoutExtension($program) -eq 'dotnet' ? [IO.Path]::Combine($PSHOME, 'pwsh.dll') : @()
$first, $rest = @($Through) + $program + $library + $Argument
if ($MyInvocation.ExpectingInput) {
    $input | & $first @rest
}
else {
    & $first @rest
}
