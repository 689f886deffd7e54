namespace Conclave.Measurement;

/// <summary>The errors of one kind of tensor in one way of computing prompts.</summary>
public sealed class TensorErrors
{
    /// <summary>Kind: a tensor's name with the layer left out.</summary>
    public required string Kind { get; init; }

    /// <summary>How the prompts were computed.</summary>
    public required string Run { get; init; }

    /// <summary>Number of tensors compared.</summary>
    public int Tensors { get; set; }

    /// <summary>Largest |computed − golden|.</summary>
    public double MaxError { get; set; }

    /// <summary>Largest, over tensors, of a tensor's largest error divided by the golden tensor's standard deviation.</summary>
    public double MaxRelativeError { get; set; }

    /// <summary>The tensor with the largest relative error.</summary>
    public string Worst { get; set; } = "";
}

/// <summary>How many of something that must be equal were equal.</summary>
/// <param name="What">Experts or greedy tokens.</param>
/// <param name="Run">How the prompts were computed.</param>
public sealed record EqualityCount(string What, string Run)
{
    /// <summary>Number compared.</summary>
    public int Total { get; set; }

    /// <summary>Number equal.</summary>
    public int Equal { get; set; }

    /// <summary>The first place that differs.</summary>
    public string FirstDifference { get; set; } = "";
}

/// <summary>What a comparison with a golden file found.</summary>
/// <param name="Isa">The instruction set.</param>
/// <param name="Tolerance">Largest relative error that passes.</param>
/// <param name="Errors">By kind and run.</param>
/// <param name="Equalities">By kind and run.</param>
public sealed record VerificationReport(
    string Isa, double Tolerance, IReadOnlyList<TensorErrors> Errors, IReadOnlyList<EqualityCount> Equalities)
{
    /// <summary>True where something was compared, every error is within the tolerance (and a number), and everything that must be equal is.</summary>
    public bool Passed =>
        (Errors.Count > 0 || Equalities.Any(count => count.Total > 0))
        && Errors.All(error => error.MaxRelativeError <= Tolerance) && Equalities.All(count => count.Equal == count.Total);
}
