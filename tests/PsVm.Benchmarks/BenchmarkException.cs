namespace PsVm.Benchmarks;

/// <summary>A run did not come to a figure.</summary>
internal sealed class BenchmarkException(string message) : Exception(message);
