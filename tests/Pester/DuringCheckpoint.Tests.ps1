BeforeDiscovery {
    # Each is answered while web is being checkpointed; those with an error id answer with that.
    $answers = @(
        @{ Command = 'Get-Guest web' }
        @{ Command = 'Measure-Guest web -Detailed' }
        @{ Command = 'Suspend-Guest web' }
        @{ Command = 'Resume-Guest web' }
        @{ Command = 'Set-Guest web -Notes mine' }
        @{ Command = 'Rename-Guest web front' }
        @{ Command = 'Receive-GuestConsole web -All' }
        @{ Command = 'Send-GuestConsole web check' }
        @{ Command = 'Wait-Guest web -ForText GUEST-UP' }
        @{ Command = 'Export-MemoryMap web ./map.svg' }
        @{ Command = 'Get-MemoryBackend' }
        @{ Command = 'Measure-MemoryBackend' }
        @{ Command = 'Start-Guest -Template ./made -Count 2' }
        @{ Command = 'Restore-Guest ./made' }
        @{ Command = 'Get-GuestTemplate -Folder .' }
        @{ Command = 'Test-GuestTemplate ./made' }
        @{ Command = 'Clear-MemoryBackend web/ram.default 0 4096'; ErrorId = 'BackendBusy' }
        @{ Command = 'Checkpoint-Guest web ./second'; ErrorId = 'CheckpointInProgress' }
        @{ Command = 'Remove-MemoryBackend web/ram.default'; ErrorId = 'BackendInUse' }
    )

    # What would not be done is said under -WhatIf, too.
    $answers += $answers.Where{ $_.ErrorId }.ForEach{ @{ Command = "$($_.Command) -WhatIf"; ErrorId = $_.ErrorId } }

    # Each waits for something that the checkpoint keeps from happening, until it hears Ctrl+C.
    $waits = @(
        @{ Command = 'Stop-Guest web -Force' }
        @{ Command = 'Stop-Guest web -Timeout 3600' }
        @{ Command = 'Restart-Guest web -Force' }
        @{ Command = 'Restart-Guest web -Timeout 3600' }
        @{ Command = 'Remove-Guest web -Force' }
        @{ Command = 'Wait-Guest web -ForText nothing' }
        @{ Command = 'Wait-Guest web -State Stopped' }
        @{ Command = 'Send-GuestConsole web check -Pattern nothing' }
        @{ Command = 'Receive-GuestConsole web -Wait' }
        @{ Command = 'Export-MemoryMap web ./map.svg -Duration 3600 -Interval 600' }
    )
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    # A checkpoint that stays at its first bytes: progress that keeps the thread that copies.
    Add-Type @'
        public sealed class HeldCheckpoint<T> : System.IProgress<T>
        {
            private readonly System.Threading.ManualResetEventSlim _isCopying = new(), _goOn = new();
            private System.Threading.Tasks.Task _run;

            public void Start(System.Reflection.MethodInfo checkpoint, object host, object guest, object options)
            {
                object[] arguments = { guest, options, this, System.Threading.CancellationToken.None };
                _run = System.Threading.Tasks.Task.Run(() => checkpoint.Invoke(host, arguments));
                while (!_isCopying.Wait(10) && !_run.IsCompleted)
                {
                }
            }

            public bool IsUnderWay => _isCopying.IsSet && !_run.IsCompleted;

            public void Finish()
            {
                _goOn.Set();
                System.Threading.Tasks.Task.WhenAny(_run).Wait();
            }

            public void Report(T value)
            {
                _isCopying.Set();
                _goOn.Wait();
            }
        }
'@
}

Describe 'While a guest is being checkpointed' {
    BeforeAll {
        Push-Location -LiteralPath "$TestDrive"
        New-TestTemplate ./made
    }

    AfterAll { Pop-Location }

    BeforeEach {
        $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $field = $guest.GetType().GetField('_host', [System.Reflection.BindingFlags] 'Instance, NonPublic')
        $checkpoint = [HeldCheckpoint[PsVm.StepProgress]]::new()
        $checkpoint.Start(
            [PsVm.IGuestHost].GetMethod('Checkpoint'), $field.GetValue($guest), [PsVm.GuestReference]::new('web', $guest.Id),
            [PsVm.CheckpointOptions]@{ Path = "$TestDrive/held" })
        $checkpoint.IsUnderWay | Should -BeTrue
    }

    AfterEach {
        $checkpoint.Finish()
        Clear-PsVm
        Remove-Item ./held, ./map.svg, ./error -Recurse -Force -ErrorAction Ignore
    }

    It '<Command> is answered' -TestCases $answers {
        Stop-Running @"
            Set-Location -LiteralPath '$TestDrive'
            try { `$null = $Command -ErrorAction Stop } catch { (`$_.FullyQualifiedErrorId -split ',')[0] > ./error }
"@ { $false } | Should -Be Completed

        $checkpoint.IsUnderWay | Should -BeTrue
        Get-Content ./error -ErrorAction Ignore | Should -Be $ErrorId
    }

    It '<Command> hears Ctrl+C' -TestCases $waits {
        $state = Stop-Running "Set-Location -LiteralPath '$TestDrive'; Write-Information now; $Command" {
            param($run)
            Start-Sleep -Milliseconds 300
            $run.Streams.Information.Count -gt 0
        }

        $state | Should -Be Stopped
        $checkpoint.IsUnderWay | Should -BeTrue
    }
}
