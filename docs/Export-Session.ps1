#!/usr/bin/env pwsh
<#
.SYNOPSIS
Runs commands in a pwsh session and draws the session as an SVG picture, as a terminal of that width would show it.

.DESCRIPTION
Nothing is made up: each command runs, and what it prints is what is drawn, colours included. The picture follows the light or dark scheme of
the one who looks, and needs nothing beside itself.

.EXAMPLE
docs/Export-Session.ps1 -Path docs/images/session.svg -Script docs/images/session.ps1
#>
[CmdletBinding()]
param(
    # The SVG file.
    [Parameter(Mandatory)]
    [string] $Path,

    # A script; each of its statements is typed at the prompt, in order. Comments stay out.
    [Parameter(Mandatory)]
    [string] $Script,

    # Columns of the terminal.
    [int] $Width = 96
)

$ErrorActionPreference = 'Stop'
$PSStyle.OutputRendering = 'Ansi'
$PSStyle.Progress.View = 'Minimal'

# The colours of a terminal that PowerShell's own views use: SGR parameter, class.
$classes = @{ '1' = 'b'; '3' = 'i'; '31' = 'c1'; '32' = 'c2'; '33' = 'c3'; '34' = 'c4'; '35' = 'c5'; '36' = 'c6'; '91' = 'c1'; '92' = 'c2'; '93' = 'c3' }

# A line of output as the tspans of an SVG text.
function ConvertTo-Tspan([string] $line) {
    $state = @()
    $spans = foreach ($part in [regex]::Split($line, '(\e\[[0-9;]*m)')) {
        if ($part -match '^\e\[([0-9;]*)m$') {
            foreach ($parameter in $Matches[1] -split ';') {
                $state = $parameter -in '', '0' ? @() : @($state) + $classes[$parameter]
            }
        }
        elseif ($part) {
            $text = [Security.SecurityElement]::Escape($part)
            $names = @($state | Where-Object { $_ } | Select-Object -Unique) -join ' '
            $names ? "<tspan class='$names'>$text</tspan>" : $text
        }
    }
    -join $spans
}

$tokens = $errors = $null
$ast = [Management.Automation.Language.Parser]::ParseFile((Resolve-Path -LiteralPath $Script), [ref] $tokens, [ref] $errors)
if ($errors) {
    throw $errors[0]
}

$lines = foreach ($statement in $ast.EndBlock.Statements) {
    $typed = $statement.Extent.Text -split '\r?\n'
    "`e[32mPS>`e[0m $($typed[0])"
    $typed | Select-Object -Skip 1 | ForEach-Object { "`e[32m>>`e[0m  $_" }
    # In this scope, so that the next statement has the variables of this one. A view of its own begins and ends with an empty line.
    $output = @(. ([scriptblock]::Create($statement.Extent.Text)) *>&1 | Out-String -Stream -Width $Width | ForEach-Object TrimEnd)
    $first = 0
    $last = $output.Count - 1
    while ($first -le $last -and -not $output[$first]) { $first++ }
    while ($last -ge $first -and -not $output[$last]) { $last-- }
    if ($last -ge $first) { $output[$first..$last] }
    ''
}

$lineHeight = 18
$height = (@($lines).Count * $lineHeight) + 46
$pixels = [int]($Width * 8.43) + 32
$texts = for ($i = 0; $i -lt @($lines).Count; $i++) {
    if ($lines[$i]) {
        "<text x='16' y='$(52 + ($i * $lineHeight))'>$(ConvertTo-Tspan $lines[$i])</text>"
    }
}

$svg = @"
<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 $pixels $height' width='$pixels' height='$height' role='img' xml:space='preserve'>
<title>A PowerShell session with PsVm</title>
<style>text{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1f2328}.g{fill:#f6f8fa;stroke:#d1d9e0}.d{fill:#d1d9e0}
.b{font-weight:600}.i{font-style:italic}.c1{fill:#cf222e}.c2{fill:#116329}.c3{fill:#7d4e00}.c4{fill:#0550ae}.c5{fill:#8250df}.c6{fill:#1b7c83}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{fill:#0d1117;stroke:#3d444d}.d{fill:#3d444d}
.c1{fill:#ff7b72}.c2{fill:#7ee787}.c3{fill:#e3b341}.c4{fill:#79c0ff}.c5{fill:#d2a8ff}.c6{fill:#56d4dd}}</style>
<rect class='g' x='.5' y='.5' width='$($pixels - 1)' height='$($height - 1)' rx='8'/>
<circle class='d' cx='20' cy='18' r='5'/><circle class='d' cx='38' cy='18' r='5'/><circle class='d' cx='56' cy='18' r='5'/>
$($texts -join "`n")
</svg>
"@
[IO.File]::WriteAllText($PSCmdlet.GetUnresolvedProviderPathFromPSPath($Path), $svg + "`n")
