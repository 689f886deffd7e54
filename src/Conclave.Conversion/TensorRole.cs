namespace Conclave.Conversion;

/// <summary>What a tensor does in the model: it decides the format and the size of random values.</summary>
internal enum TensorRole
{
    /// <summary>A projection; quantized in FP8 checkpoints.</summary>
    Projection,

    /// <summary>A projection that releases leave in BF16: router, head, eh_proj.</summary>
    UnquantizedProjection,

    /// <summary>The embedding; its rows are looked up, never summed over.</summary>
    Embedding,

    /// <summary>The scale of an RMS norm.</summary>
    Norm,

    /// <summary>e_score_correction_bias; binary32 in every release.</summary>
    CorrectionBias,

    /// <summary>Block scales of an FP8 projection.</summary>
    BlockScales,
}
