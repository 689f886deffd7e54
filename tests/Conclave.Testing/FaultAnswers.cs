using System.Text;
using System.Text.Json.Nodes;

namespace Conclave.Testing;

/// <summary>What came back, as a whole or in events: all that two askers of one question must agree on.</summary>
internal sealed class FaultAnswers
{
    private readonly SortedDictionary<int, Choice> _choices = [];

    public int Count => _choices.Count;

    public Choice First => _choices[0];

    public void Add(JsonNode data)
    {
        foreach (JsonNode? node in data["choices"]!.AsArray())
        {
            int index = node!["index"]!.GetValue<int>();
            if (!_choices.TryGetValue(index, out Choice? choice))
            {
                _choices.Add(index, choice = new Choice());
            }

            choice.Add(node);
        }
    }

    public override string ToString() => string.Join("; ", _choices.Select(pair => $"{pair.Key}: {pair.Value}"));

    public sealed class Choice
    {
        private readonly StringBuilder _content = new();
        private readonly StringBuilder _reasoning = new();
        private readonly StringBuilder _calls = new();
        private readonly StringBuilder _logprobs = new();

        public string? Finish { get; private set; }

        public int Calls { get; private set; }

        /// <summary>How many tokens came with log-probabilities.</summary>
        public int Logprobs { get; private set; }

        public void Add(JsonNode node)
        {
            FaultTraffic.Expect(Finish is null, "something came after the end of an answer");
            JsonNode piece = node["message"] ?? node["delta"] ?? node;
            _content.Append((piece["content"] ?? piece["text"])?.GetValue<string>());
            _reasoning.Append(piece["reasoning_content"]?.GetValue<string>());
            foreach (JsonNode? call in piece["tool_calls"]?.AsArray() ?? [])
            {
                JsonNode function = call!["function"]!;
                if (function["name"] is { } name)
                {
                    Calls++;
                    _calls.Append($" {name} ");
                }

                _calls.Append(function["arguments"]?.GetValue<string>());
            }

            JsonNode? logprobs = node["logprobs"];
            JsonArray tokens = logprobs?["content"]?.AsArray() ?? logprobs?["token_logprobs"]?.AsArray() ?? [];
            Logprobs += tokens.Count;
            _logprobs.AppendJoin(' ', tokens.Select(token => token?.ToJsonString())).Append(tokens.Count > 0 ? " " : "");
            Finish = node["finish_reason"]?.GetValue<string>();
        }

        public override string ToString() => $"{Finish} '{_content}' '{_reasoning}'{_calls} {_logprobs}";
    }
}
