namespace Conclave.Parallel.Placement;

/// <summary>Loads over time: recent windows count more, and a layer whose loads have turned to other experts forgets what was before.</summary>
public static class LoadHistory
{
    /// <summary>What of the past stays where nothing changed.</summary>
    private const double Kept = 0.5;

    /// <summary>The distance of two windows at which nothing of the past is worth keeping.</summary>
    private const double Unlike = 0.2;

    /// <summary>
    /// The window plus a part of the past, layer by layer: ½ · max(0, 1 − d ÷ 0.2) of it, where d = ½ Σ |p − q| is the total variation distance between the
    /// shares of experts in both.
    /// </summary>
    /// <param name="past">What this returned for the windows before; null before the first.</param>
    /// <param name="window">The loads of the newest window.</param>
    /// <exception cref="ArgumentException">The two differ in layers or experts.</exception>
    public static ExpertLoads Blend(ExpertLoads? past, ExpertLoads window)
    {
        if (past is null)
        {
            return window;
        }

        if (past.Layers != window.Layers || past.Experts != window.Experts)
        {
            throw new ArgumentException("loads of different layers or experts cannot be blended", nameof(past));
        }

        double[] blended = new double[window.Layers * window.Experts];
        for (int layer = 0; layer < window.Layers; layer++)
        {
            ReadOnlySpan<double> old = past.Layer(layer);
            ReadOnlySpan<double> recent = window.Layer(layer);
            double oldTotal = Math.Max(past.Total(layer), double.Epsilon);
            double recentTotal = Math.Max(window.Total(layer), double.Epsilon);
            double distance = 0;
            for (int expert = 0; expert < window.Experts; expert++)
            {
                distance += Math.Abs((old[expert] / oldTotal) - (recent[expert] / recentTotal)) / 2;
            }

            double kept = Kept * Math.Max(0, 1 - (distance / Unlike));
            for (int expert = 0; expert < window.Experts; expert++)
            {
                blended[(layer * window.Experts) + expert] = recent[expert] + (kept * old[expert]);
            }
        }

        return new ExpertLoads(window.Layers, window.Experts, blended);
    }
}
