<#
.SYNOPSIS
Writes the help that Get-Help shows (MAML) from the pages in docs/en-US.

.DESCRIPTION
A page says what only a person can say: synopsis, description, parameters, examples, errors. What the assembly says itself (types,
positions, pipeline input, parameter sets) is taken from there, so that it cannot drift.
#>
[CmdletBinding()]
param(
    # The published module; the help goes below it.
    [Parameter(Mandatory)]
    [string] $ModulePath,

    # Where everybody can read the pages, for Get-Help -Online.
    [string] $PagesUri
)

$ErrorActionPreference = 'Stop'
$pages = Join-Path $PSScriptRoot 'en-US'
$target = Join-Path $ModulePath 'en-US'

# Parameters that mean the same everywhere need no words on each page.
$standard = @{
    WhatIf  = 'Shows what would happen, and does not do it.'
    Confirm = 'Asks before it does anything.'
}

$namespaces = @{
    maml    = 'http://schemas.microsoft.com/maml/2004/10'
    command = 'http://schemas.microsoft.com/maml/dev/command/2004/10'
    dev     = 'http://schemas.microsoft.com/maml/dev/2004/10'
}

# A page as sections by heading: 'Name' for level 2, 'Name/Sub' for level 3, '' for what comes first. Headings in code are none.
function Read-Page([string] $path) {
    $sections = [ordered]@{ '' = [Collections.Generic.List[string]]::new() }
    $section = ''
    $level2 = ''
    $inCode = $false
    foreach ($line in Get-Content -LiteralPath $path) {
        if ($line.StartsWith('```')) {
            $inCode = -not $inCode
        }

        if (-not $inCode -and $line -match '^(#{1,3}) (.+)$') {
            if ($Matches[1] -eq '#') {
                continue
            }

            $level2 = $Matches[1] -eq '##' ? $Matches[2] : $level2
            $section = $Matches[1] -eq '##' ? $level2 : "$level2/$($Matches[2])"
            $sections[$section] = [Collections.Generic.List[string]]::new()
            continue
        }

        $sections[$section].Add($line)
    }

    $sections
}

# Markdown as the plain paragraphs of a terminal.
function ConvertTo-Paragraph([string[]] $lines) {
    $text = ($lines -join "`n").Trim() -replace '\[([^\]]+)\]\([^)]+\)', '$1' -replace '`', '' -replace '\*\*', ''
    foreach ($paragraph in $text -split "\n{2,}") {
        if ($paragraph -match '^[|-]') {
            # A table, without its head, or a list: each line stays one.
            $paragraph -replace '^\|.*\|\n\|[-|]+\|\n' -split "\n" | ForEach-Object { $_.Trim('|', ' ') -replace ' \| ', ': ' }
        }
        elseif ($paragraph) {
            $paragraph -replace "\n", ' '
        }
    }
}

# Cells of a row, without the bars.
function Split-Row([string] $line) { $line.Trim('|', ' ') -split '\s*\|\s*' }

# A page as the plain text of a terminal of 100 columns: headings in capitals, tables in columns or, when they are too wide, as definitions.
function ConvertTo-PlainText([string[]] $lines) {
    $text = $lines -replace '\[([^\]]+)\]\([^)]+\)', '$1' -replace '`', '' -replace '\*\*', ''
    for ($i = 0; $i -lt $text.Count; $i++) {
        if ($text[$i] -match '^#{1,3} (.+)$') {
            $i -eq 0 ? 'TOPIC' : $Matches[1].ToUpperInvariant()
            if ($i -eq 0) { "    $($Matches[1])" }
            continue
        }

        if ($text[$i] -notmatch '^\|') {
            $text[$i] ? "    $($text[$i])" : ''
            continue
        }

        $rows = @(for (; $i -lt $text.Count -and $text[$i] -match '^\|'; $i++) { if ($text[$i] -notmatch '^\|[-|]+$') { , (Split-Row $text[$i]) } })
        $i--
        $widths = @(for ($column = 0; $column -lt $rows[0].Count; $column++) { ($rows | ForEach-Object { $_[$column].Length } | Measure-Object -Maximum).Maximum })
        if (($widths | Measure-Object -Sum).Sum + (2 * $widths.Count) -le 96) {
            foreach ($row in $rows) {
                ('    ' + -join (0..($row.Count - 1) | ForEach-Object { $row[$_].PadRight($widths[$_] + 2) })).TrimEnd()
            }
        }
        else {
            foreach ($row in $rows | Select-Object -Skip 1) {
                "    $($row[0])"
                for ($column = 1; $column -lt $row.Count; $column++) {
                    "        $($row.Count -gt 2 ? "$($rows[0][$column]): " : '')$($row[$column])"
                }
            }
        }
    }
}

function Start-Element([string] $name) {
    $prefix, $local = $name -split ':'
    $xml.WriteStartElement($prefix, $local, $namespaces[$prefix])
}

function Write-Element([string] $name, [string] $text) {
    Start-Element $name
    $xml.WriteString($text)
    $xml.WriteEndElement()
}

function Write-Paragraphs([string[]] $lines) {
    foreach ($paragraph in ConvertTo-Paragraph $lines) {
        Write-Element 'maml:para' $paragraph
    }
}

function Write-Described([string] $name, [string[]] $lines) {
    Start-Element $name
    Write-Paragraphs $lines
    $xml.WriteEndElement()
}

function Write-Parameter($parameter, $page) {
    $name = $parameter.Name
    $pipeline = @(
        if ($parameter.ValueFromPipeline) { 'ByValue' }
        if ($parameter.ValueFromPipelineByPropertyName) { 'ByPropertyName' }
    )
    $wildcards = $command.Parameters[$name].Attributes.TypeId.Name -contains 'SupportsWildcardsAttribute'
    Start-Element 'command:parameter'
    $xml.WriteAttributeString('required', $parameter.IsMandatory.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('variableLength', $parameter.ParameterType.IsArray.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('globbing', $wildcards.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('pipelineInput', ($pipeline ? "True ($($pipeline -join ', '))" : 'False'))
    $xml.WriteAttributeString('position', ($parameter.Position -ge 0 ? $parameter.Position : 'named'))
    $xml.WriteAttributeString('aliases', ($parameter.Aliases ? $parameter.Aliases -join ', ' : 'none'))
    Write-Element 'maml:name' $name
    Write-Described 'maml:description' ($page["Parameters/-$name"] ?? $standard[$name])
    if ($parameter.ParameterType -ne [switch]) {
        $type = [Nullable]::GetUnderlyingType($parameter.ParameterType) ?? $parameter.ParameterType
        if ($type.IsEnum) {
            Start-Element 'command:parameterValueGroup'
            $type.GetEnumNames() | ForEach-Object { Write-Element 'command:parameterValue' $_ }
            $xml.WriteEndElement()
        }

        Start-Element 'command:parameterValue'
        $xml.WriteAttributeString('required', 'true')
        $xml.WriteString($type.Name)
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()
}

function Write-Link([string] $text, [string] $uri) {
    Start-Element 'maml:navigationLink'
    Write-Element 'maml:linkText' $text
    Write-Element 'maml:uri' $uri
    $xml.WriteEndElement()
}

function Write-Command($command, $page) {
    $common = [System.Management.Automation.Cmdlet]::CommonParameters
    Start-Element 'command:command'

    Start-Element 'command:details'
    Write-Element 'command:name' $command.Name
    Write-Element 'command:verb' $command.Verb
    Write-Element 'command:noun' $command.Noun
    Write-Described 'maml:description' $page['']
    $xml.WriteEndElement()

    Write-Described 'maml:description' $page['Description']

    Start-Element 'command:syntax'
    foreach ($set in $command.ParameterSets) {
        Start-Element 'command:syntaxItem'
        Write-Element 'maml:name' $command.Name
        $set.Parameters | Where-Object Name -NotIn $common |
            Sort-Object { $_.Position -ge 0 ? $_.Position : [int]::MaxValue } -Stable |
            ForEach-Object { Write-Parameter $_ $page }
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    Start-Element 'command:parameters'
    $command.ParameterSets.Parameters | Where-Object Name -NotIn $common | Sort-Object Name -Unique |
        ForEach-Object { Write-Parameter $_ $page }
    $xml.WriteEndElement()

    Start-Element 'command:inputTypes'
    $piped = $command.ParameterSets.Parameters | Where-Object ValueFromPipeline | ForEach-Object ParameterType | Select-Object -Unique
    foreach ($type in $piped ?? [void]) {
        Start-Element 'command:inputType'
        Start-Element 'dev:type'
        Write-Element 'maml:name' ($type -eq [void] ? 'None' : $type.FullName)
        $xml.WriteEndElement()
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    Start-Element 'command:returnValues'
    foreach ($type in $command.OutputType | Where-Object Type -NE ([void])) {
        Start-Element 'command:returnValue'
        Start-Element 'dev:type'
        Write-Element 'maml:name' $type.Name
        $xml.WriteEndElement()
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    Start-Element 'maml:alertSet'
    Write-Described 'maml:alert' (@('Errors, by id:', '') + $page['Errors'])
    $xml.WriteEndElement()

    Start-Element 'command:examples'
    foreach ($key in @($page.Keys) -like 'Examples/*') {
        $null = ($page[$key] -join "`n") -match '(?s)^\s*```powershell\n(?<code>.*?)\n```(?<remarks>.*)$'
        Start-Element 'command:example'
        Write-Element 'maml:title' ($key -replace '^Examples/')
        Write-Element 'dev:code' $Matches.code
        Write-Described 'dev:remarks' ($Matches.remarks -split "\n")
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    Start-Element 'command:relatedLinks'
    if ($PagesUri) {
        Write-Link 'Online version' "$PagesUri/$($command.Name).md"
    }

    foreach ($link in ConvertTo-Paragraph $page['Related']) {
        Write-Link ($link -replace '^- ') ''
    }

    $xml.WriteEndElement()
    $xml.WriteEndElement()
}

$null = New-Item -ItemType Directory -Path $target -Force
Import-Module ([WildcardPattern]::Escape([IO.Path]::Combine($ModulePath, 'PsVm.psd1')))
$settings = [System.Xml.XmlWriterSettings]@{ Indent = $true; Encoding = [System.Text.UTF8Encoding]::new($false) }
$xml = [System.Xml.XmlWriter]::Create((Join-Path $target 'PsVm.Module.dll-Help.xml'), $settings)
$xml.WriteStartElement('helpItems', 'http://msh')
$xml.WriteAttributeString('schema', 'maml')
foreach ($command in Get-Command -Module PsVm | Sort-Object Name) {
    Write-Command $command (Read-Page (Join-Path $pages "$($command.Name).md"))
}

$xml.WriteEndElement()
$xml.Dispose()

foreach ($topic in Get-Item (Join-Path $pages 'about_*.md')) {
    ConvertTo-PlainText (Get-Content -LiteralPath $topic.FullName) | Set-Content (Join-Path $target "$($topic.BaseName).help.txt")
}
