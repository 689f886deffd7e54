namespace Conclave.Server.Api;

/// <summary>How much of a kind one request may hold.</summary>
internal static class RequestLimits
{
    public const int Prompts = 128;
    public const int Messages = 4096;
    public const int ContentParts = 4096;
    public const int Tools = 128;
    public const int Modalities = 16;
    public const int StopStrings = 16;
    public const int StopTokens = 256;
    public const int Biases = 1024;
    public const int AllowedTokens = 1 << 18;
    public const int Tokens = 1 << 22;
}
