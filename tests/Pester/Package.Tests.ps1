BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $version = (Get-Module PsVm).Version.ToString()
    $sources = [IO.Path]::Combine($PSScriptRoot, '..', '..')
    $env:PSVM_PACKAGES = "$TestDrive/packages"
    $home0 = "$TestDrive/home"
    $null = New-Item -ItemType Directory -Path $env:PSVM_PACKAGES, $home0

    # Runs a script in a pwsh of its own, of somebody whose home is new; gives its output lines.
    function Invoke-Stranger([string] $script) {
        $mine = @{ HOME = $env:HOME; PSModulePath = $env:PSModulePath; XDG_DATA_HOME = $env:XDG_DATA_HOME; XDG_CONFIG_HOME = $env:XDG_CONFIG_HOME }
        try {
            $env:HOME = $home0
            $env:PSModulePath = $env:XDG_DATA_HOME = $env:XDG_CONFIG_HOME = $null
            & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command "`$ErrorActionPreference = 'Stop'; Set-Location '$home0'; $script"
        }
        finally {
            $mine.GetEnumerator() | ForEach-Object { [Environment]::SetEnvironmentVariable($_.Key, $_.Value) }
        }
    }

    # The package, as build.ps1 makes it of what has been compiled.
    $configuration = [PsVm.MappingOutcome].Assembly.GetCustomAttributes([Reflection.AssemblyConfigurationAttribute], $false).Configuration
    $said = & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -File "$sources/build.ps1" -Task Package `
        -NoBuild -Configuration $configuration -OutputPath "$TestDrive/built/PsVm"
    $package = "$TestDrive/built/PsVm.$version.nupkg"
}

AfterAll { $env:PSVM_PACKAGES = $null }

Describe 'The package' {
    It 'is made by build.ps1, with the changelog''s notes' {
        $said | Should -Contain "Packed $package"
        $zip = [IO.Compression.ZipFile]::OpenRead($package)
        try {
            $zip.Entries.FullName | Should -Contain 'PsVm.Module.dll'
            $zip.Entries.FullName | Should -Contain 'en-US/PsVm.Module.dll-Help.xml'
            $reader = [IO.StreamReader]::new($zip.GetEntry('PsVm.nuspec').Open())
            $nuspec = ([xml] $reader.ReadToEnd()).package.metadata
            $nuspec.id, $nuspec.version | Should -Be PsVm, $version
            $nuspec.releaseNotes | Should -Match '^### '
            $nuspec.releaseNotes | Should -Not -Match '(?m)^## '
            $nuspec.releaseNotes.Length | Should -BeLessThan 35000 -Because 'NuGet takes no more'
            $changes = (Get-Content "$sources/CHANGELOG.md" -Raw) -replace '\s+', ' '
            $notes = @($nuspec.releaseNotes -split '\r?\n' -ne '')
            $notes.Where{ -not $changes.Contains($_.Trim()) } | Should -BeNullOrEmpty
            @($notes -like '- *').Count | Should -Be ([regex]::Matches(
                    [regex]::Match((Get-Content "$sources/CHANGELOG.md" -Raw), '(?ms)^## \[.*?(?=^## \[|\z)').Value, '(?m)^- ').Count)
        }
        finally {
            $zip.Dispose()
        }
    }

    It 'is installed from a folder' {
        Copy-Item $package $env:PSVM_PACKAGES
        Invoke-Stranger @'
            Register-PSResourceRepository -Name packages -Uri $env:PSVM_PACKAGES -Trusted
            Install-PSResource PsVm -Repository packages
            Get-InstalledPSResource PsVm | ForEach-Object { "$($_.Name) $($_.Version)" }
'@ | Should -Be "PsVm $version"
    }

    It 'is found by the names of its cmdlets, and runs' {
        Invoke-Stranger @'
            $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
            (Get-Module PsVm).ModuleBase.StartsWith($HOME)
            $template = $guest | Checkpoint-Guest -Path ./web
            (Start-Guest -Template $template -Count 2 -NameFormat 'web-{0}').Name
            Get-Guest | Remove-Guest -Force
            $template | Remove-GuestTemplate -Confirm:$false
            @(Get-Guest).Count
            Test-Path web
'@ | Should -Be True, web-1, web-2, 0, False
    }

    It 'is updated to a higher version' {
        Copy-Item "$TestDrive/built/PsVm/$version" "$TestDrive/next/PsVm/99.0.0" -Recurse
        $manifest = "$TestDrive/next/PsVm/99.0.0/PsVm.psd1"
        (Get-Content $manifest -Raw).Replace("= '$version'", "= '99.0.0'") | Set-Content $manifest
        Compress-PSResource -Path $manifest -DestinationPath $env:PSVM_PACKAGES
        Invoke-Stranger @'
            Update-PSResource PsVm -Repository packages
            Import-Module PsVm
            (Get-Module PsVm).Version.ToString()
            (Start-Guest -Memory 32MB).State
'@ | Should -Be 99.0.0, Running
    }

    It 'is uninstalled, by a session that has it, too' {
        Invoke-Stranger "Import-Module PsVm; Uninstall-PSResource PsVm -Version '*'" | Should -BeNullOrEmpty
        $LASTEXITCODE | Should -Be 0 -Because 'the end of such a session is no failure'
        Invoke-Stranger @'
            @(Get-Module PsVm -ListAvailable).Count
            @(Get-Command Start-Guest -ErrorAction Ignore).Count
'@ | Should -Be 0, 0
    }
}
