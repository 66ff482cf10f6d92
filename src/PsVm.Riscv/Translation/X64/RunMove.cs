namespace PsVm.Riscv.Translation.X64;

/// <summary>A place that holds a value: a host register, or one in the state.</summary>
/// <param name="Register">The register, or null.</param>
/// <param name="Memory">The place in the state where it is none.</param>
internal readonly record struct RunPlace(Reg? Register, Mem Memory);

/// <summary>A value that is to be brought to where a guest's register lives.</summary>
/// <param name="To">Where that is.</param>
/// <param name="From">Where the value is; null: it is a number.</param>
/// <param name="Number">The number.</param>
/// <param name="Extends">Whether only its low 32 bits are there.</param>
internal readonly record struct RunMove(RunPlace To, RunPlace? From, long Number, bool Extends);
