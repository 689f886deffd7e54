using System.CommandLine;
using System.Text.RegularExpressions;
using Conclave.Engine;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>How tokens are chosen: what the person says, or else what the model's authors suggest.</summary>
internal sealed partial class SamplingArguments
{
    private readonly Option<double?> _temperature = new("--temperature")
    {
        Description = "0: always the most probable token. Default: generation_config.json, or 1",
        HelpName = "T",
    };

    private readonly Option<double?> _topP = new("--top-p") { Description = "Only the most probable tokens of together P remain", HelpName = "P" };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Only the K most probable tokens remain", HelpName = "K" };
    private readonly Option<double?> _minP = new("--min-p") { Description = "Only tokens with P times the highest probability remain", HelpName = "P" };
    private readonly Option<double?> _repetition = new("--repetition-penalty") { Description = "Above 1: tokens seen become less probable", HelpName = "R" };
    private readonly Option<long?> _seed = new("--seed") { Description = "The same seed gives the same text. Default: random", HelpName = "S" };
    private readonly Option<int?> _maxTokens = new("--max-tokens") { Description = "Most tokens of an answer", HelpName = "N" };
    private readonly Option<int?> _minTokens = new("--min-tokens") { Description = "Least tokens of an answer", HelpName = "N" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Ends the answer before this text; may be repeated", HelpName = "TEXT" };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "End tokens do not end the answer" };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])
            [_temperature, _topP, _topK, _minP, _repetition, _seed, _maxTokens, _minTokens, _stop, _ignoreEos])
        {
            command.Add(option);
        }
    }

    /// <summary>The sampling that was asked for.</summary>
    /// <param name="result">The arguments.</param>
    /// <param name="suggested">For what was not said.</param>
    /// <param name="maxTokens">Where --max-tokens was not said; null: as many as the context holds.</param>
    /// <exception cref="UserErrorException">A value is out of its range.</exception>
    public SamplingOptions Read(ParseResult result, SamplingOptions suggested, int? maxTokens)
    {
        SamplingOptions options = Options(result, suggested, maxTokens);
        try
        {
            // No option names tokens, so their number does not matter.
            options.Validate(int.MaxValue);
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException(NameInApi().Replace(e.Message, name => $"--{name.Value.Replace('_', '-')}"), e);
        }

        // An engine takes none for a prompt that is only to be scored; here there would be nothing to write.
        return options.MaxTokens != 0 ? options : throw new UserErrorException($"{_maxTokens.Name}: 0 is out of range; at least 1 is expected");
    }

    private SamplingOptions Options(ParseResult result, SamplingOptions suggested, int? maxTokens) => suggested with
    {
        Temperature = result.GetValue(_temperature) ?? suggested.Temperature,
        TopP = result.GetValue(_topP) ?? suggested.TopP,
        TopK = result.GetValue(_topK) ?? suggested.TopK,
        MinP = result.GetValue(_minP) ?? suggested.MinP,
        RepetitionPenalty = result.GetValue(_repetition) ?? suggested.RepetitionPenalty,
        Seed = result.GetValue(_seed),
        MaxTokens = result.GetValue(_maxTokens) ?? maxTokens,
        MinTokens = result.GetValue(_minTokens) ?? 0,
        StopStrings = result.GetValue(_stop) ?? [],
        IgnoreEos = result.GetValue(_ignoreEos),
    };

    // At the beginning of a message, or wherever there is an underscore.
    [GeneratedRegex("^[a-z_]+(?=:)|[a-z]+(_[a-z]+)+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NameInApi();
}
