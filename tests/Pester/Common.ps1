# What the test files share; dot-source it in BeforeAll.
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', '..', 'output', 'PsVm'))
}

# Puts the process back: no guest, no pool, no backend, no policy.
function Clear-PsVm {
    Get-GuestPool | Remove-GuestPool
    Get-Guest | Remove-Guest -Force
    Get-MemoryBackend | Remove-MemoryBackend
    Set-MemoryBackendPolicy -DenyPrivateDiscard:$false -MemoryReserve $null
}

# The first error of a command, as ids and text that tests compare.
function Get-ErrorOf([scriptblock] $command) {
    $found = $null
    try {
        $found = & $command 2>&1 | Where-Object { $_ -is [System.Management.Automation.ErrorRecord] } | Select-Object -First 1
    }
    catch {
        $found = $_
    }

    [pscustomobject]@{
        Id       = ($found.FullyQualifiedErrorId -split ',')[0]
        Category = $found.CategoryInfo.Category
        Target   = $found.TargetObject
        Message  = $found.Exception.Message
        Action   = $found.ErrorDetails.RecommendedAction
    }
}

# Runs a script in another runspace of this process and stops it, as Ctrl+C does, once it shows a sign of life.
function Stop-Running([string] $script, [scriptblock] $isRunning) {
    $powershell = [powershell]::Create().AddScript("Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; $script")
    try {
        $run = $powershell.BeginInvoke()
        while (-not $run.IsCompleted -and -not (& $isRunning $powershell)) {
            Start-Sleep -Milliseconds 20
        }

        $stop = $powershell.BeginStop($null, $null)
        $stop.AsyncWaitHandle.WaitOne([TimeSpan]::FromSeconds(60)) | Should -BeTrue -Because 'Ctrl+C must end it'
        $powershell.InvocationStateInfo.State
    }
    finally {
        $powershell.Dispose()
    }
}

# A raw image of a disk, of zeros.
function New-TestImage([string] $path, [long] $size = 1MB) {
    $file = [IO.File]::Create($path)
    $file.SetLength($size)
    $file.Dispose()
    $path
}

# A template of the embedded guest at a path of the test drive; the guest is gone.
function New-TestTemplate([string] $path, [string] $name = 'source') {
    $guest = Start-Guest -Name $name -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    $guest | Checkpoint-Guest -Path $path -Digest
    $guest | Remove-Guest -Force
}
