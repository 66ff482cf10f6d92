BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $null = New-TestTemplate "$TestDrive/web"
}

Describe 'Get-GuestPool' {
    BeforeEach { 'one', 'two' | ForEach-Object { $null = New-GuestPool "$TestDrive/web" -Name $_ -Size 1 } }
    AfterEach { Clear-PsVm }

    It 'gives pools by name, pattern, object, or all in the order in which they were made' {
        (Get-GuestPool).Name | Should -Be one, two
        (Get-GuestPool TWO).Name | Should -Be two
        (Get-GuestPool t*).Name | Should -Be two
        (Get-GuestPool none*) | Should -BeNullOrEmpty
        (Get-GuestPool one | Get-GuestPool).Name | Should -Be one
    }

    It 'shows how full each is' {
        $null = Start-Guest -Pool one
        for ($i = 0; $i -lt 3000 -and (Get-GuestPool one).Held -ne 1; $i++) { Start-Sleep -Milliseconds 20 }
        (Get-GuestPool | Out-String -Width 120) | Should -Match '(?m)^one +1 +1 +1 +0 +32 MiB '
    }

    It 'says that there is no such pool' {
        $found = Get-ErrorOf { Get-GuestPool tow }
        $found.Id, $found.Category | Should -Be GuestPoolNotFound, ObjectNotFound
        $found.Message | Should -BeLike "*two*"
    }
}
