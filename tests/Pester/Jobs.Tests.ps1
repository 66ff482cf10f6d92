BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    # Waits for something that a job does; the bound is for a hang.
    function Wait-Until([scriptblock] $isSo) {
        for ($i = 0; $i -lt 3000 -and -not (& $isSo); $i++) {
            Start-Sleep -Milliseconds 20
        }

        & $isSo | Should -BeTrue -Because "$isSo"
    }
}

Describe '-AsJob' {
    BeforeEach {
        Push-Location $TestDrive
        $guest = Start-Guest -Name web -Memory 32MB
    }

    AfterEach {
        Pop-Location
        Get-Job | Remove-Job -Force
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'waits in the background' {
        $job = Wait-Guest web -ForText 'GUEST-UP' -Timeout 60 -AsJob
        $job | Should -BeOfType System.Management.Automation.Job
        (Get-Job -Id $job.Id).Command | Should -BeLike '*Wait-Guest web*'
        ($job | Wait-Job -Timeout 60).State | Should -Be Completed
        $job.HasMoreData | Should -BeTrue
        $found = Receive-Job $job
        $found | Should -BeOfType PsVm.Guest
        $found.Name | Should -Be web
        $job.HasMoreData | Should -BeFalse
        Remove-Job $job
        Get-Job | Should -BeNullOrEmpty
    }

    It 'makes one job of all that is piped in' {
        $null = Start-Guest -Name db -Memory 32MB
        $job = Get-Guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 -AsJob
        @($job) | Should -HaveCount 1
        ($job | Receive-Job -Wait -AutoRemoveJob).Name | Should -Be web, db
        Get-Job | Should -BeNullOrEmpty
    }

    It 'makes a template in the background' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $template = Checkpoint-Guest web ./t -AsJob | Receive-Job -Wait -AutoRemoveJob
        $template | Should -BeOfType PsVm.GuestTemplate
        Test-GuestTemplate $template | Should -BeTrue
        $guest.State | Should -Be Running
    }

    It 'does in the background what takes long: <Cmdlet>' -ForEach @(
        @{ Cmdlet = 'Copy-GuestTemplate'; Command = { Copy-GuestTemplate ./t ./copy -AsJob }; Type = 'PsVm.GuestTemplate' }
        @{ Cmdlet = 'Move-GuestTemplate'; Command = { $template | Move-GuestTemplate ./moved -AsJob }; Type = 'PsVm.GuestTemplate' }
        @{ Cmdlet = 'Export-GuestTemplate'; Command = { Export-GuestTemplate ./t ./t.psvm -AsJob }; Type = 'PsVm.TemplateArchive' }
        @{ Cmdlet = 'Import-GuestTemplate'; Type = 'PsVm.GuestTemplate'; Command = {
                $null = Export-GuestTemplate ./t ./t.psvm
                $null = New-Item -ItemType Directory ./imported
                Import-GuestTemplate ./t.psvm ./imported -AsJob
            }
        }
        @{ Cmdlet = 'Compress-GuestTemplate'; Command = { Compress-GuestTemplate ./t ./alone -AsJob }; Type = 'PsVm.GuestTemplate' }
        @{ Cmdlet = 'Optimize-GuestTemplate'; Command = { Optimize-GuestTemplate ./t -Duration 0.1 -AsJob }; Type = 'PsVm.TemplateWorkingSet' }
        @{ Cmdlet = 'Copy-Guest'; Command = { Copy-Guest web -AsJob }; Type = 'PsVm.Guest' }
        @{ Cmdlet = 'New-GuestPool'; Command = { New-GuestPool ./t pool -Size 1 -AsJob }; Type = 'PsVm.GuestPool' }
    ) {
        $template = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Checkpoint-Guest ./t
        $job = & $Command
        @($job) | Should -HaveCount 1
        $job | Should -BeOfType PsVm.Module.Hosting.GuestJob
        $found = $job | Receive-Job -Wait -AutoRemoveJob
        @($found) | Should -HaveCount 1
        $found.GetType().FullName | Should -Be $Type
        (Get-Command $Cmdlet).OutputType.Name | Should -Be $Type, PsVm.Module.Hosting.GuestJob
    }

    It 'asks ahead what is to be confirmed of a copy' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Checkpoint-Guest -Path ./t
        Copy-GuestTemplate ./t ./copy -AsJob -WhatIf | Should -BeNullOrEmpty
        (Get-ErrorOf { Copy-GuestTemplate ./none ./copy -AsJob -WhatIf }).Id | Should -Be TemplateNotFound
        './copy' | Should -Not -Exist
        $null = Copy-GuestTemplate ./t ./copy -AsJob -Verbose 4>$null | Receive-Job -Wait -AutoRemoveJob
        Test-GuestTemplate ./copy | Should -BeTrue
    }

    It 'starts a guest that has stopped in the background' {
        $null = Stop-Guest web -Force
        (Start-Guest web -AsJob | Receive-Job -Wait).Id | Should -Be $guest.Id
        $guest.State | Should -Be Running
    }

    It 'has the errors of the cmdlet, does the rest, and is Failed' {
        $job = Wait-Guest nope, web -ForText 'GUEST-UP' -Timeout 60 -AsJob | Wait-Job -Timeout 60
        $job.State | Should -Be Failed
        $job.StatusMessage | Should -BeLike "*'nope'*"
        $found = Receive-Job $job -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Name | Should -Be web
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound*'
        $problems[0].CategoryInfo.Activity | Should -Be Wait-Guest
        $problems[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }

    It 'has what happened on the verbose stream' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Checkpoint-Guest -Path ./t
        $said = Start-Guest -Template ./t -Name clone -AsJob | Receive-Job -Wait -Verbose 4>&1
        "$($said | Where-Object { $_ -is [System.Management.Automation.VerboseRecord] })" | Should -BeLike '*Guest clone started*'
    }

    It 'says at once what is wrong with the parameters, without a job' {
        (Get-ErrorOf { Start-Guest one -Kernel Env:/k -AsJob }).Id | Should -Be PathNotFileSystem
        (Get-ErrorOf { Checkpoint-Guest web Env:/t -AsJob }).Id | Should -Be PathNotFileSystem
        Get-Job | Should -BeNullOrEmpty
    }

    It 'begins nothing under -WhatIf, and finds out what is wrong' {
        Checkpoint-Guest web ./t -AsJob -WhatIf | Should -BeNullOrEmpty
        (Get-ErrorOf { Checkpoint-Guest nope ./t -AsJob -WhatIf }).Id | Should -Be GuestNotFound
        Start-Guest other -AsJob -WhatIf | Should -BeNullOrEmpty
        Get-Job | Should -BeNullOrEmpty
        './t' | Should -Not -Exist
        $job = & {
            $WhatIfPreference = $true
            Wait-Guest web -ForText 'GUEST-UP' -AsJob
        }
        ($job | Receive-Job -Wait).Name | Should -Be web -Because 'a wait changes nothing'
    }

    It 'asks before it begins: <Answer>' -ForEach @(
        @{ Answer = 'N'; Jobs = 0 }
        @{ Answer = 'Y'; Jobs = 1 }
    ) {
        $script = "Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'
            Start-Guest web -Memory 32MB -AsJob -Confirm | Wait-Job | Out-Null
            'jobs:{0} guests:{1}' -f @(Get-Job).Count, @(Get-Guest).Count"
        $said = $Answer | & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command $script 2>&1
        "$said" | Should -BeLike "*jobs:$Jobs guests:$Jobs*"
    }

    It 'keeps only how far it is, and completes the display' {
        $job = Wait-Guest web -ForText nothing -Timeout 600 -AsJob
        Wait-Until { $job.Progress.Count -gt 0 -and $job.Progress[0].StatusDescription -match '^([2-9]|\d\d+) of' }
        $job.Progress | Should -HaveCount 1
        $job.StatusMessage | Should -BeLike "Waiting for guest 'web'*"
        Send-GuestConsole web nothing
        ($job | Wait-Job -Timeout 60).Progress.RecordType | Should -Be Completed
        $late = Wait-Guest web -ForText never -Timeout 1.5 -AsJob | Wait-Job -Timeout 60
        $late.Progress | ForEach-Object RecordType | Should -BeIn $null, Completed
        $late.Error[0].FullyQualifiedErrorId | Should -Be GuestWaitTimeout
    }

    It 'goes on when somebody closes its streams' {
        $job = Wait-Guest web -State Suspended -AsJob
        $job.Progress.Complete()
        $job.Output.Complete()
        # Its progress is written by a timer, whose failure would be the end of this process.
        Start-Sleep -Milliseconds 1500
        $null = Suspend-Guest web
        ($job | Wait-Job -Timeout 60).State | Should -Be Completed
    }

    It 'ends with its session' {
        $powershell = [powershell]::Create([System.Management.Automation.RunspaceMode]::NewRunspace)
        $job = $powershell.AddScript("Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; Wait-Guest web -AsJob").Invoke()[0]
        $job.State | Should -Be Running
        $powershell.Dispose()
        Wait-Until { $job.State -eq 'Stopped' }
        $guest.State | Should -Be Running
    }

    # As Receive-Job -AutoRemoveJob does: it disposes the job on its own thread, and has the job's wait for that where it is told of the end.
    It 'can be disposed by another thread while those are told who wait for its end' {
        Add-Type -ReferencedAssemblies System.Management.Automation, System.Threading, System.Threading.Thread -TypeDefinition @'
            using System.Management.Automation;
            using System.Threading;

            public static class DisposedAtEnd
            {
                public static volatile bool IsDisposed;

                public static void Attach(Job job) => job.StateChanged += (_, change) =>
                {
                    if (change.JobStateInfo.State is JobState.Completed)
                    {
                        Thread thread = new(job.Dispose) { IsBackground = true };
                        thread.Start();
                        IsDisposed = thread.Join(30_000);
                    }
                };
            }
'@
        $job = Wait-Guest web -Timeout 60 -AsJob
        [DisposedAtEnd]::Attach($job)
        Stop-Guest web -Force
        Wait-Until { [DisposedAtEnd]::IsDisposed }
    }

    # As Receive-Job -Wait -AutoRemoveJob does with a job that ends while it begins to wait.
    It 'can be removed twice, by who sees that it has ended and by who is told' {
        Add-Type -ReferencedAssemblies System.Management.Automation, System.Threading, System.Threading.Thread -TypeDefinition @'
            using System;
            using System.Management.Automation;
            using System.Threading;

            public static class RemovedTwice
            {
                public static volatile string Told;

                public static void Attach(Job job, JobRepository jobs) => job.StateChanged += (_, change) =>
                {
                    if (change.JobStateInfo.State is JobState.Completed)
                    {
                        Thread thread = new(() =>
                        {
                            jobs.Remove(job);
                            job.Dispose();
                        });
                        thread.Start();
                        thread.Join();
                        try
                        {
                            jobs.Remove(job);
                            job.Dispose();
                            Told = "removed";
                        }
                        catch (ArgumentException failure)
                        {
                            Told = failure.Message;
                        }
                    }
                };
            }
'@
        function Get-Repository { [CmdletBinding()] param() $PSCmdlet.JobRepository }
        $job = Wait-Guest web -Timeout 60 -AsJob
        [RemovedTwice]::Attach($job, (Get-Repository))
        Stop-Guest web -Force
        Wait-Until { [RemovedTwice]::Told }
        [RemovedTwice]::Told | Should -Be removed
        Wait-Until { -not (Get-Job) }
    }

    It 'is received, waited for and removed in one, whenever it ends' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        foreach ($round in 1..25) {
            $found = Wait-Guest web -ForText 'GUEST-UP' -AsJob | Receive-Job -Wait -AutoRemoveJob -ErrorAction Stop
            $found.Name | Should -Be web
        }

        Wait-Until { -not (Get-Job) }
    }

    It 'is stopped and removed by Remove-Job -Force, which it is not without' {
        $job = Wait-Guest web -AsJob
        { Remove-Job $job -ErrorAction Stop } | Should -Throw
        Remove-Job $job -Force
        $job.State | Should -Be Stopped
        Get-Job | Should -BeNullOrEmpty
    }
}

Describe 'Stop-Job' {
    AfterEach {
        Get-Job | Remove-Job -Force
        Clear-PsVm
    }

    It 'ends a wait, and the guest goes on' {
        $guest = Start-Guest -Name web -Memory 32MB
        $job = Wait-Guest web -ForText nothing -AsJob
        Stop-Job $job
        $job.State | Should -Be Stopped
        $guest.State | Should -Be Running
        # A second time it finds nothing to do.
        Stop-Job $job
        (Wait-Guest web -ForText 'GUEST-UP' -Timeout 60).Name | Should -Be web
    }

    It 'gives up a checkpoint, and leaves no template' {
        # Content that is no hole, so that there is something to copy.
        $random = [byte[]]::new(64MB)
        [Random]::new(9).NextBytes($random)
        $file = [IO.File]::Create("$TestDrive/ram.img")
        1..16 | ForEach-Object { $file.Write($random) }
        $file.Dispose()
        $guest = Start-Guest -Name big -MemPath "$TestDrive/ram.img" -Memory 1GB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $folder = New-Item "$TestDrive/templates" -ItemType Directory

        $job = $guest | Checkpoint-Guest -Path "$folder/t" -Digest -AsJob
        while ($job.State -eq 'Running' -and -not (Get-ChildItem $folder -Force)) { }
        Stop-Job $job

        $job.State | Should -Be Stopped
        Receive-Job $job | Should -BeNullOrEmpty
        Get-ChildItem $folder -Force | Should -BeNullOrEmpty
        $guest.State | Should -Be Running
        # It can be checkpointed again.
        Test-GuestTemplate ($guest | Checkpoint-Guest -Path "$folder/t") | Should -BeTrue
    }

    It 'starts no more of a fleet, and those that have started remain' {
        $null = New-TestTemplate "$TestDrive/web"
        $job = Start-Guest -Template "$TestDrive/web" -Count 100000 -AsJob
        while ($job.State -eq 'Running' -and @(Get-Guest).Count -lt 3) { }
        Stop-Job $job

        $job.State | Should -Be Stopped
        $there = Get-Guest
        $there.Count | Should -BeLessThan 100000
        $there.State | Select-Object -Unique | Should -Be Running
        (Receive-Job $job).Id | Should -Be $there.Id
        Start-Sleep -Milliseconds 200
        @(Get-Guest).Count | Should -Be $there.Count
    }
}
