using Conclave.Engine;

namespace Conclave.Extensions.AI;

/// <summary>Which model an application serves, and how.</summary>
public sealed class ConclaveOptions
{
    /// <summary>The folder of a checkpoint: config.json, *.safetensors, a tokenizer and a chat template. It must be set.</summary>
    public string ModelDirectory { get; set; } = "";

    /// <summary>How the model is loaded. Its <see cref="LoadOptions.Contexts"/> are the engine's <see cref="EngineOptions.MaxRunning"/>.</summary>
    public LoadOptions Load { get; set; } = new();

    /// <summary>How many requests the engine takes.</summary>
    public EngineOptions Engine { get; set; } = new();
}
