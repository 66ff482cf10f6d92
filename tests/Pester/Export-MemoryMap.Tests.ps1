BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    function Get-Svg([string] $path) { [xml][IO.File]::ReadAllText($path) }

    # How many cells of a kind the row of a guest has.
    function Measure-Cell($row, [string] $class) {
        $path = $row.path | Where-Object class -EQ $class
        $path ? [regex]::Matches($path.d, 'M').Count : 0
    }
}

Describe 'Export-MemoryMap' {
    BeforeAll { New-TestTemplate (Join-Path $TestDrive template) }
    BeforeEach { $file = Join-Path $TestDrive map.svg; Remove-Item $file -ErrorAction Ignore }
    AfterEach { Clear-PsVm }

    It 'draws a row of cells for each clone: shared with the template, own, never touched' {
        $fleet = Start-Guest -Template "$TestDrive/template" -Count 3 -NameFormat 'web-{0}'
        while (($fleet | Measure-Guest).OwnBytes -contains 0) { Start-Sleep -Milliseconds 20 }
        $null = $fleet | Suspend-Guest
        $fleet | Export-MemoryMap -Path $file
        $svg = (Get-Svg $file).svg
        $svg.title | Should -Be 'Guest RAM of 3 guests: 96 MiB in cells of 2 MiB'
        $svg.g.Count | Should -Be 3
        $own = ($fleet | Measure-Guest).OwnBytes
        for ($i = 0; $i -lt 3; $i++) {
            $row = $svg.g[$i]
            $row.title | Should -Match "^web-$($i + 1): "
            $cells = 'n', 's', 'v', 'o1', 'o2', 'o3', 'o4' | ForEach-Object { Measure-Cell $row $_ }
            ($cells | Measure-Object -Sum).Sum | Should -Be 16
            $cells[0] | Should -BeGreaterThan 0 -Because 'a small guest does not touch all of its RAM'
            ($cells[3..6] | Measure-Object -Sum).Sum | Should -BeGreaterThan 0 -Because "it has $($own[$i]) bytes of its own"
        }
    }

    It 'shows a discard as an overlay' {
        $guest = Start-Guest -Name web -Template "$TestDrive/template" -DiscardPolicy ZeroOverlay | Suspend-Guest
        Get-MemoryBackend | Clear-MemoryBackend -Offset 16MB -Length 4MB | Out-Null
        $guest | Export-MemoryMap -Path $file
        Measure-Cell (Get-Svg $file).svg.g v | Should -Be 2
    }

    It 'records own bytes over time' {
        Start-Guest -Name web -Template "$TestDrive/template" | Export-MemoryMap -Path $file -Duration 0:0:0.3 -Interval 0:0:0.1
        $svg = (Get-Svg $file).svg
        $svg.text.'#text' | Should -Contain 'Own bytes of all guests'
        ($svg.polyline[0].points -split ' ').Count | Should -BeGreaterOrEqual 2
    }

    It 'gives the file when asked, and replaces none with -NoClobber' {
        $null = Start-Guest -Name web -Memory 32MB
        Export-MemoryMap web $file -PassThru | Should -BeOfType IO.FileInfo
        (Get-ErrorOf { Export-MemoryMap web $file -NoClobber }).Id | Should -Be FileExists
        Export-MemoryMap web $file | Should -BeNullOrEmpty
    }

    It 'gives the file as Get-Item does: what follows takes its path literally' {
        $null = Start-Guest -Name web -Memory 32MB
        $odd = "$TestDrive/[x] y.svg"
        $made = Export-MemoryMap web $odd -PassThru
        $item = Get-Item -LiteralPath $odd
        foreach ($property in 'PSPath', 'PSParentPath', 'PSChildName', 'PSIsContainer') {
            $made.$property | Should -Be $item.$property
        }

        $made | Get-Content -TotalCount 1 | Should -Not -BeNullOrEmpty
    }

    It 'says under -WhatIf what is wrong: <Case>' -ForEach @(
        @{ Case = 'a folder that is not there'; Path = 'none/map.svg' }
        @{ Case = 'a folder in its place'; Path = 'folder.svg' }
    ) {
        $null = Start-Guest -Name web -Memory 32MB
        $null = New-Item -ItemType Directory "$TestDrive/folder.svg" -Force
        (Get-ErrorOf { Export-MemoryMap web "$TestDrive/$Path" -WhatIf }).Id | Should -Be FileWriteFailed
        (Get-ErrorOf { Export-MemoryMap nope $file -WhatIf }).Id | Should -Be GuestNotFound
        Get-ChildItem "$TestDrive/folder.svg" | Should -BeNullOrEmpty
    }

    It 'says what name to give instead of one of another kind of file' {
        $null = Start-Guest -Name web -Memory 32MB
        $found = Get-ErrorOf { Export-MemoryMap web "$TestDrive/map.png" -WhatIf }
        $found.Id | Should -Be FileExtensionInvalid
        $found.Action | Should -BeLike "*'$TestDrive/map.svg'*"
        Export-MemoryMap web "$TestDrive/map.SVG"
        "$TestDrive/map.png" | Should -Not -Exist
        "$TestDrive/map.SVG" | Should -Exist
    }

    It 'writes nothing under -WhatIf' {
        $null = Start-Guest -Name web -Memory 32MB
        Export-MemoryMap web $file -WhatIf
        $file | Should -Not -Exist
    }

    It 'draws a stopped guest without cells' {
        $null = Start-Guest -Name web -Memory 32MB | Stop-Guest -Force
        Export-MemoryMap web $file
        (Get-Svg $file).svg.g.text[1].'#text' | Should -Be stopped
    }

    It 'refuses <Case>' -ForEach @(
        @{ Case = 'an unknown guest'; Command = { Export-MemoryMap nope $file }; Id = 'GuestNotFound' }
        @{ Case = 'cells that are no whole pages'; Command = { Export-MemoryMap web $file -CellSize 1000 }; Id = 'CellSizeInvalid' }
        @{ Case = 'a folder that is not there'; Command = { Export-MemoryMap web "$TestDrive/none/map.svg" }; Id = 'FileWriteFailed' }
        @{ Case = 'a name of another kind of file'; Command = { Export-MemoryMap web "$TestDrive/map.png" }; Id = 'FileExtensionInvalid' }
        @{ Case = 'a name of no kind of file'; Command = { Export-MemoryMap web "$TestDrive/v1.2" }; Id = 'FileExtensionInvalid' }
    ) {
        $null = Start-Guest -Name web -Memory 32MB
        (Get-ErrorOf $Command).Id | Should -Be $Id
        $file | Should -Not -Exist
    }

    It 'hears Ctrl+C while it records' {
        $null = Start-Guest -Name web -Memory 32MB
        $script = "Export-MemoryMap web '$file' -Duration 1:0:0"
        Stop-Running $script { (Get-Guest web).State -eq 'Running' } | Should -Be Stopped
        $file | Should -Not -Exist
    }
}
