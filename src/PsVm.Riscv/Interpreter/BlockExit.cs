namespace PsVm.Riscv.Interpreter;

/// <summary>Why <see cref="BlockInterpreter.Run"/> returned.</summary>
internal enum BlockExit
{
    /// <summary>The limit is reached, or something else wants to be looked at between two blocks.</summary>
    Boundary,

    /// <summary>WFI.</summary>
    WaitForInterrupt,

    /// <summary>WRS.NTO or WRS.STO.</summary>
    WaitForStore,
}
