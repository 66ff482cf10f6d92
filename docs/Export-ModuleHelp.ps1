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
    [string] $ModulePath
)

$ErrorActionPreference = 'Stop'
$pages = Join-Path $PSScriptRoot 'en-US'
$target = Join-Path $ModulePath 'en-US'

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
        if ($paragraph -match '^\s*[|-]') {
            # A table or list: each line stays one.
            $paragraph -split "\n" | Where-Object { $_ -notmatch '^\|[-| ]+\|$' } | ForEach-Object { $_.Trim('|', ' ') -replace ' \| ', ': ' }
        }
        elseif ($paragraph) {
            $paragraph -replace "\n", ' '
        }
    }
}

function Write-Paragraphs([string[]] $lines) {
    foreach ($paragraph in ConvertTo-Paragraph $lines) {
        $xml.WriteElementString('maml', 'para', $null, $paragraph)
    }
}

function Write-Described([string] $prefix, [string] $element, [string[]] $lines) {
    $xml.WriteStartElement($prefix, $element, $null)
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
    $xml.WriteStartElement('command', 'parameter', $null)
    $xml.WriteAttributeString('required', $parameter.IsMandatory.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('variableLength', $parameter.ParameterType.IsArray.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('globbing', $wildcards.ToString().ToLowerInvariant())
    $xml.WriteAttributeString('pipelineInput', ($pipeline ? "True ($($pipeline -join ', '))" : 'False'))
    $xml.WriteAttributeString('position', ($parameter.Position -ge 0 ? $parameter.Position : 'named'))
    $xml.WriteAttributeString('aliases', ($parameter.Aliases ? $parameter.Aliases -join ', ' : 'none'))
    $xml.WriteElementString('maml', 'name', $null, $name)
    Write-Described 'maml' 'description' $page["Parameters/-$name"]
    if ($parameter.ParameterType -ne [switch]) {
        $type = [Nullable]::GetUnderlyingType($parameter.ParameterType) ?? $parameter.ParameterType
        $xml.WriteStartElement('command', 'parameterValue', $null)
        $xml.WriteAttributeString('required', 'true')
        $xml.WriteString($type.Name)
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()
}

function Write-Command($command, $page) {
    $common = [System.Management.Automation.Cmdlet]::CommonParameters
    $xml.WriteStartElement('command', 'command', 'http://schemas.microsoft.com/maml/dev/command/2004/10')
    $xml.WriteAttributeString('xmlns', 'maml', $null, 'http://schemas.microsoft.com/maml/2004/10')
    $xml.WriteAttributeString('xmlns', 'dev', $null, 'http://schemas.microsoft.com/maml/dev/2004/10')

    $xml.WriteStartElement('command', 'details', $null)
    $xml.WriteElementString('command', 'name', $null, $command.Name)
    $xml.WriteElementString('command', 'verb', $null, $command.Verb)
    $xml.WriteElementString('command', 'noun', $null, $command.Noun)
    Write-Described 'maml' 'description' $page['']
    $xml.WriteEndElement()

    Write-Described 'maml' 'description' $page['Description']

    $xml.WriteStartElement('command', 'syntax', $null)
    foreach ($set in $command.ParameterSets) {
        $xml.WriteStartElement('command', 'syntaxItem', $null)
        $xml.WriteElementString('maml', 'name', $null, $command.Name)
        $set.Parameters | Where-Object Name -NotIn $common | ForEach-Object { Write-Parameter $_ $page }
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    $xml.WriteStartElement('command', 'parameters', $null)
    $command.ParameterSets.Parameters | Where-Object Name -NotIn $common | Sort-Object Name -Unique | ForEach-Object { Write-Parameter $_ $page }
    $xml.WriteEndElement()

    $xml.WriteStartElement('command', 'returnValues', $null)
    foreach ($type in $command.OutputType) {
        $xml.WriteStartElement('command', 'returnValue', $null)
        $xml.WriteStartElement('dev', 'type', $null)
        $xml.WriteElementString('maml', 'name', $null, $type.Name)
        $xml.WriteEndElement()
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    $xml.WriteStartElement('maml', 'alertSet', $null)
    Write-Described 'maml' 'alert' (@('Errors, by id:', '') + $page['Errors'])
    $xml.WriteEndElement()

    $xml.WriteStartElement('command', 'examples', $null)
    foreach ($key in @($page.Keys) -like 'Examples/*') {
        $null = ($page[$key] -join "`n") -match '(?s)^\s*```powershell\n(?<code>.*?)\n```(?<remarks>.*)$'
        $xml.WriteStartElement('command', 'example', $null)
        $xml.WriteElementString('maml', 'title', $null, ($key -replace '^Examples/'))
        $xml.WriteElementString('dev', 'code', $null, $Matches.code)
        Write-Described 'dev' 'remarks' ($Matches.remarks -split "\n")
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()

    $xml.WriteStartElement('command', 'relatedLinks', $null)
    foreach ($link in ConvertTo-Paragraph $page['Related']) {
        $xml.WriteStartElement('maml', 'navigationLink', $null)
        $xml.WriteElementString('maml', 'linkText', $null, ($link -replace '^- '))
        $xml.WriteElementString('maml', 'uri', $null, '')
        $xml.WriteEndElement()
    }

    $xml.WriteEndElement()
    $xml.WriteEndElement()
}

$null = New-Item -ItemType Directory -Path $target -Force
Import-Module $ModulePath
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
    Copy-Item -LiteralPath $topic.FullName -Destination (Join-Path $target "$($topic.BaseName).help.txt")
}
