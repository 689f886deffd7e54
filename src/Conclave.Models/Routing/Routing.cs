namespace Conclave.Models;

/// <summary>The experts and routing weights that were chosen for the tokens of a step: k of each for a token, in native memory.</summary>
public readonly unsafe struct Routing
{
    private readonly int* _experts;
    private readonly float* _weights;

    /// <summary>Views memory for a number of tokens.</summary>
    public Routing(int* experts, float* weights, int tokens, int expertsPerToken)
    {
        _experts = experts;
        _weights = weights;
        Tokens = tokens;
        ExpertsPerToken = expertsPerToken;
    }

    /// <summary>Number of tokens.</summary>
    public int Tokens { get; }

    /// <summary>k.</summary>
    public int ExpertsPerToken { get; }

    /// <summary>The experts of a token; −1 means no expert.</summary>
    public Span<int> Experts(int token) => new(_experts + Checked(token), ExpertsPerToken);

    /// <summary>The routing weights of a token.</summary>
    public Span<float> Weights(int token) => new(_weights + Checked(token), ExpertsPerToken);

    /// <summary>The same tokens and weights with other choices.</summary>
    /// <param name="experts">Tokens × k numbers.</param>
    public Routing WithExperts(int* experts) => new(experts, _weights, Tokens, ExpertsPerToken);

    private nint Checked(int token)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)token, (uint)Tokens, nameof(token));
        return (nint)token * ExpertsPerToken;
    }
}
