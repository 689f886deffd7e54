using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>Looks at the intermediate tensors of a step while it is computed; the views are valid during the call only.</summary>
public interface IForwardObserver
{
    /// <summary>The rows of the embedding [T, H].</summary>
    void Embedding(TensorView hidden);

    /// <summary>The residual stream after a layer [T, H]; of two micro-batches, each for itself, the first one first.</summary>
    void LayerOutput(int layer, TensorView hidden);

    /// <summary>The experts that a layer's router chose, for the tokens whose feed-forward this rank computes; of two micro-batches, each for itself, the first one first.</summary>
    void Routed(int layer, in Routing routing);
}
