namespace Conclave.EndToEnd.Tests;

/// <summary>The collection of tests that limit how long something takes, or whose processes leave no core to tests beside them: each runs alone.</summary>
[CollectionDefinition(nameof(UndisturbedTests), DisableParallelization = true)]
public sealed class UndisturbedTests;
