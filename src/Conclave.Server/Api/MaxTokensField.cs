using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>The most tokens of an answer, and which field says so: one of OpenAI's two, or llama.cpp's.</summary>
/// <param name="Most">How many; null: as many as the context holds.</param>
/// <param name="Name">The field.</param>
internal readonly record struct MaxTokensField(int? Most, string Name)
{
    private const string OfLlama = "n_predict";

    /// <summary>Reads the first field that is there.</summary>
    /// <param name="body">The request.</param>
    /// <param name="least">Fewest tokens that may be asked for.</param>
    /// <param name="otherwise">What holds where no field is there.</param>
    /// <param name="names">OpenAI's names, the first one first.</param>
    /// <exception cref="ApiException">It is less than may be asked for.</exception>
    public static MaxTokensField Read(JsonBody body, int least, int? otherwise, params IReadOnlyList<string> names)
    {
        foreach (string name in names.Append(OfLlama))
        {
            switch (body.Integer(name))
            {
                case null:
                    break;
                case -1 when name == OfLlama:
                    return new MaxTokensField(null, name);
                case { } most:
                    return most >= least
                        ? new MaxTokensField(most, name)
                        : throw ApiException.Invalid($"{name}: {most} is out of range; at least {least} is expected", name);
            }
        }

        return new MaxTokensField(otherwise, names[0]);
    }

    /// <summary>The fewest tokens of an answer, which may have as many.</summary>
    /// <exception cref="ApiException">It may not.</exception>
    public int Allow(int minTokens) =>
        minTokens > Most ? throw ApiException.Invalid($"min_tokens: {minTokens} is more than {Name}, which is {Most}", "min_tokens") : minTokens;
}
