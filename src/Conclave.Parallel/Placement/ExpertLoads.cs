using Conclave.Primitives;

namespace Conclave.Parallel.Placement;

/// <summary>Tokens that each expert of each layer was given [layers × experts]; fractions where windows were blended.</summary>
public sealed class ExpertLoads
{
    /// <summary>Most tokens of an expert: sums stay finite, and below it every whole number is exact.</summary>
    public const double Most = 1e15;

    private readonly double[] _values;

    /// <summary>Takes loads row by row.</summary>
    /// <param name="layers">Layers that have experts.</param>
    /// <param name="experts">Experts of a layer.</param>
    /// <param name="values">Layers × experts numbers; kept, not copied.</param>
    /// <exception cref="UserErrorException">The sizes do not fit, or a load is negative, not a number or too large.</exception>
    public ExpertLoads(int layers, int experts, double[] values)
    {
        if (layers < 1 || experts < 1 || values.LongLength != (long)layers * experts)
        {
            throw new UserErrorException($"{values.Length} loads were given for {layers} layers of {experts} experts; one for each expert of each layer is expected");
        }

        int wrong = Array.FindIndex(values, value => value is not (>= 0 and <= Most));
        if (wrong >= 0)
        {
            throw new UserErrorException(
                $"layer {wrong / experts}, expert {wrong % experts}: a load of {values[wrong]}; a number from 0 to {Most} is expected");
        }

        Layers = layers;
        Experts = experts;
        _values = values;
    }

    /// <summary>Number of layers.</summary>
    public int Layers { get; }

    /// <summary>Experts of a layer.</summary>
    public int Experts { get; }

    /// <summary>The loads of a layer by expert.</summary>
    public ReadOnlySpan<double> Layer(int layer) => _values.AsSpan(checked(layer * Experts), Experts);

    /// <summary>The sum of a layer's loads.</summary>
    public double Total(int layer)
    {
        double total = 0;
        foreach (double load in Layer(layer))
        {
            total += load;
        }

        return total;
    }
}
