using PsVm.Fuzz;

try
{
    if (args is [Worker.Command, .. string[] rest])
    {
        Worker.Run(FuzzOptions.Parse(rest), Console.Out);
        return 0;
    }

    return FuzzRun.Run(FuzzOptions.Parse(args), Console.Out) ? 0 : 1;
}
catch (ArgumentException error)
{
    Console.Error.WriteLine(error.Message);
    Console.Error.WriteLine(FuzzOptions.Usage);
    return 2;
}
