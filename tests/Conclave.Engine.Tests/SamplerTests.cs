using System.Text.Json;
using Conclave.Primitives;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Engine.Tests;

public sealed class SamplerTests
{
    [Fact]
    public void Probabilities_are_those_of_transformers()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("formats", "sampling.json")));
        int cases = 0;
        foreach (JsonElement example in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            float[] logits = Floats(example.GetProperty("logits"));
            float[] expected = Floats(example.GetProperty("probabilities"));
            int[] previous = [.. example.GetProperty("previous").EnumerateArray().Select(e => e.GetInt32())];
            SamplingOptions options = new()
            {
                RepetitionPenalty = example.GetProperty("repetition_penalty").GetDouble(),
                Temperature = example.GetProperty("temperature").GetDouble(),
                TopK = example.GetProperty("top_k").GetInt32(),
                TopP = example.GetProperty("top_p").GetDouble(),
                MinP = example.GetProperty("min_p").GetDouble(),
            };

            float[] actual = Probabilities(options, logits, previous);
            for (int i = 0; i < logits.Length; i++)
            {
                Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-6, $"case {cases}, token {i}: {actual[i]}, not {expected[i]}");
                Assert.Equal(expected[i] == 0, actual[i] == 0);
            }

            cases++;
        }

        Assert.Equal(60, cases);
    }

    /// <summary>
    /// The definition, with a full sort, in the words of transformers' logits processors. Few distinct logits and round limits, so that many
    /// are equal. Cases that binary32 cannot decide are left out.
    /// </summary>
    [Fact]
    public void Probabilities_are_those_of_the_definition()
    {
        Gen<float> logit = Gen.OneOf(
            Gen.Int[-3, 3].Select(i => (float)i), Gen.Double[-8, 8].Select(d => (float)d), Gen.Const(-0f), Gen.Const(float.NegativeInfinity));
        Gen<float[]> logits = Gen.Frequency(
            (9, logit.Array[1, 60].Where(a => a.Any(float.IsFinite))), (1, Gen.Int[1, 20].Select(n => new float[n])));
        Gen<double> share = Gen.OneOf(Gen.Double[0, 1], Gen.Int[0, 20].Select(i => i / 20.0));
        const int cases = 20_000;
        int undecided = 0;
        Gen.Select(
            logits, Gen.OneOf(Gen.Const(0.3), Gen.Const(1.0), Gen.Const(1.7)), Gen.Int[0, 70], share, Gen.OneOf(Gen.Const(0.0), share)).Sample(
            (logits, temperature, topK, topP, minP) =>
        {
            SamplingOptions options = new() { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
            if (Definition(logits, options) is not { } expected)
            {
                Interlocked.Increment(ref undecided);
                return;
            }

            float[] actual = Probabilities(options, logits, []);
            for (int i = 0; i < logits.Length; i++)
            {
                Assert.Equal(expected[i], actual[i], 1e-5);
                Assert.Equal(expected[i] == 0, actual[i] == 0);
            }
        }, iter: cases);
        Assert.InRange(undecided, 0, cases / 100);
    }

    /// <summary>Null where the choice hangs on how binary32 rounds an exponential.</summary>
    private static double[]? Definition(float[] logits, SamplingOptions options)
    {
        float[] scores = [.. logits.Select(x => x / (float)options.Temperature)];
        if (options.TopK > 0)
        {
            float kth = scores.OrderDescending().ElementAt(Math.Min(options.TopK, scores.Length) - 1);
            scores = [.. scores.Select(s => s < kth ? float.NegativeInfinity : s)];
        }

        bool[]? keep = TopP(scores, (float)(1 - options.TopP));
        if (keep is null)
        {
            return null;
        }

        scores = [.. scores.Select((s, i) => keep[i] ? s : float.NegativeInfinity)];
        keep = MinP(scores, (float)options.MinP);
        return keep is null ? null : Softmax([.. scores.Select((s, i) => keep[i] ? (double)s : double.NegativeInfinity)]);
    }

    private static bool[]? TopP(float[] scores, float limit)
    {
        bool[] keep = [.. scores.Select(_ => true)];
        if (limit <= 0)
        {
            return keep;
        }

        double[] weights = Weights(scores);
        double total = weights.Sum();
        bool exact = weights.All(IsExact);

        // Rounded to binary32, what lies below this is at most the limit.
        double border = ((double)limit + float.BitIncrement(limit)) / 2;
        double sum = 0;
        foreach (int i in Enumerable.Range(0, scores.Length).OrderBy(i => scores[i]).SkipLast(1))
        {
            sum += weights[i];
            double share = sum / total;
            if (limit < 1 && Math.Abs(share - border) <= 1e-14 + (exact ? 0 : 5e-7 * share))
            {
                return null;
            }

            keep[i] = share > border && limit < 1;
        }

        return keep;
    }

    private static bool[]? MinP(float[] scores, float limit)
    {
        double[] weights = Weights(scores);
        return weights.Any(w => !IsExact(w) && Math.Abs(w - limit) <= 5e-7 * limit) ? null : [.. weights.Select(w => w >= limit)];
    }

    /// <summary>
    /// What the softmax divides by its sum. Where an exponential is so close to 1 that every binary32 one is 1, it is 1; equal weights are then
    /// equal in both precisions.
    /// </summary>
    private static double[] Weights(float[] scores)
    {
        float max = scores.Max();
        return [.. scores.Select(s => Math.Exp(s - max)).Select(w => w >= 1 - Math.ScaleB(1, -26) ? 1 : w)];
    }

    private static bool IsExact(double weight) => weight is 0 or 1;

    private static double[] Softmax(double[] scores)
    {
        double max = scores.Max();
        double sum = scores.Sum(s => Math.Exp(s - max));
        return [.. scores.Select(s => Math.Exp(s - max) / sum)];
    }

    [Theory]
    [InlineData(0, 0, 1.0)]
    [InlineData(20, 0, 1.0)]
    [InlineData(0, 0.02, 0.9)]
    public void Tokens_are_drawn_as_often_as_they_are_probable(int topK, double minP, double topP)
    {
        float[] logits = [.. Enumerable.Range(0, 40).Select(i => (float)Math.Sin(i * 12.9898) * 3)];
        SamplingOptions options = new() { TopK = topK, MinP = minP, TopP = topP, Seed = 7 };
        SamplerWorkspace workspace = new(logits.Length);
        Sampler sampler = new(options, workspace, [], []);
        float[] probabilities = Probabilities(sampler, workspace, logits);
        const int draws = 50_000;
        int[] counts = new int[logits.Length];
        for (int i = 0; i < draws; i++)
        {
            int token = sampler.Sample(logits);
            counts[token]++;
            sampler.Accept(token);
        }

        for (int i = 0; i < logits.Length; i++)
        {
            // Five standard deviations of a binomial count.
            double expected = draws * (double)probabilities[i];
            Assert.InRange(Math.Abs(counts[i] - expected), 0, probabilities[i] == 0 ? 0 : 5 * Math.Sqrt(expected) + 1);
        }
    }

    [Fact]
    public void Greedy_takes_the_first_of_the_highest_and_sees_every_place()
    {
        foreach (int size in new[] { 1, 3, 8, 16, 17, 1000 })
        {
            float[] logits = new float[size];
            for (int i = 0; i < size; i++)
            {
                Array.Fill(logits, -1f);
                logits[i] = 2;
                logits[size - 1] = 2;
                Assert.Equal(i, Token(new SamplingOptions { Temperature = 0 }, logits));
                Assert.Equal(i, Token(new SamplingOptions { Temperature = 0.9e-5 }, logits));
                logits[i] = float.NaN;
                Assert.Throws<InvalidOperationException>(() => Token(new SamplingOptions { Temperature = 0 }, logits));
                Assert.Throws<InvalidOperationException>(() => Token(new SamplingOptions(), logits));
            }
        }
    }

    [Fact]
    public void Presence_and_frequency_count_the_answer_and_repetition_the_prompt_too()
    {
        float[] logits = [1, 1, 1, -1, -1, 1];
        SamplingOptions options = new()
        {
            PresencePenalty = 0.25, FrequencyPenalty = 0.5, RepetitionPenalty = 2, LogitBias = new Dictionary<int, double> { [5] = 1.5 },
        };
        SamplerWorkspace workspace = new(logits.Length);
        Sampler sampler = new(options, workspace, [0, 3, 0], []);
        sampler.Accept(1);
        sampler.Accept(1);
        sampler.Accept(3);
        float[] actual = Probabilities(sampler, workspace, logits);
        double[] expected = Softmax([0.5, 0.5 - 0.25 - 1.0, 1, -2 - 0.25 - 0.5, -1, 2.5]);
        for (int i = 0; i < logits.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], 1e-6);
        }
    }

    [Fact]
    public void End_tokens_are_not_chosen_before_the_minimum_and_end_the_answer_unless_ignored()
    {
        float[] logits = [0, 9, 8, 7];
        SamplingOptions options = new() { Temperature = 0, MinTokens = 2, StopTokens = [2] };
        SamplerWorkspace workspace = new(logits.Length);
        Sampler sampler = new(options, workspace, [], [1]);
        List<int> tokens = [];
        for (int i = 0; i < 3; i++)
        {
            tokens.Add(sampler.Sample(logits));
            sampler.Accept(tokens[^1]);
        }

        Assert.Equal([3, 3, 1], tokens);
        Assert.True(sampler.IsStop(1));
        Assert.True(sampler.IsStop(2));
        Assert.False(sampler.IsStop(3));
        Sampler ignoring = new(options with { IgnoreEos = true }, workspace, [], [1]);
        Assert.False(ignoring.IsStop(1));
        Assert.True(ignoring.IsStop(2));
    }

    [Fact]
    public void Only_allowed_tokens_are_chosen()
    {
        float[] logits = [0, 9, 8, 7, 6, 9];
        SamplingOptions options = new() { AllowedTokens = [4, 2, 3, 2], RepetitionPenalty = 2, LogitBias = new Dictionary<int, double> { [5] = 100 } };
        SamplerWorkspace workspace = new(logits.Length);
        float[] actual = Probabilities(new Sampler(options, workspace, [4], []), workspace, logits);
        double none = double.NegativeInfinity;
        double[] expected = Softmax([none, none, 8, 7, 3, none]);
        for (int i = 0; i < logits.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], 1e-6);
        }

        // Besides them a grammar allows tokens, and ends may be forbidden.
        Assert.Equal(3, new Sampler(options with { Temperature = 0 }, workspace, [], []).Sample(logits, [0b101010]));
        Sampler ending = new(options with { AllowedTokens = [1], MinTokens = 1 }, workspace, [], [1]);
        Assert.Contains("allowed_token_ids", Assert.Throws<UserErrorException>(() => ending.Sample(logits)).Message);
        ending.Accept(2);
        Assert.Equal(1, ending.Sample(logits));
    }

    [Fact]
    public void A_seed_gives_the_same_tokens_for_ever()
    {
        // Computed by a second implementation in Python: the same on every platform and in every later version.
        float[] logits = [.. Enumerable.Range(0, 1000).Select(i => (i * 7919 % 1000) / 250f)];
        Assert.Equal([339, 953, 486, 65, 671, 65, 198, 733], Tokens(new SamplingOptions { Seed = 42 }, logits, 8));
        Assert.Equal(Tokens(new SamplingOptions { Seed = -1 }, logits, 50), Tokens(new SamplingOptions { Seed = -1 }, logits, 50));
        Assert.NotEqual(Tokens(new SamplingOptions { Seed = 1 }, logits, 50), Tokens(new SamplingOptions { Seed = 2 }, logits, 50));
    }

    [Fact]
    public void Without_a_seed_the_one_in_use_is_reported()
    {
        float[] logits = new float[1000];
        SamplerWorkspace workspace = new(logits.Length);
        Sampler first = new(new SamplingOptions(), workspace, [], []);
        Sampler second = new(new SamplingOptions(), workspace, [], []);
        Assert.NotEqual(first.Seed, second.Seed);
        Assert.InRange(first.Seed, 0, (1L << 53) - 1);
        Sampler again = new(new SamplingOptions { Seed = first.Seed }, workspace, [], []);
        Assert.Equal(first.Sample(logits), again.Sample(logits));
    }

    [Fact]
    public void Sampling_allocates_nothing()
    {
        float[] logits = [.. Enumerable.Range(0, 20_000).Select(i => (i * 7919L % 20_000) / 1000f)];
        SamplingOptions options = new()
        {
            TopK = 500, TopP = 0.9, MinP = 0.01, RepetitionPenalty = 1.1, PresencePenalty = 0.1, FrequencyPenalty = 0.1, MinTokens = 1000,
            LogitBias = new Dictionary<int, double> { [3] = 1 }, StopTokens = [5],
        };
        Sampler sampler = new(options, new SamplerWorkspace(logits.Length), [1, 2, 3], [0]);
        Sampler greedy = new(new SamplingOptions { Temperature = 0 }, new SamplerWorkspace(logits.Length), [1, 2, 3], [0]);
        sampler.Accept(sampler.Sample(logits));
        greedy.Accept(greedy.Sample(logits));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            sampler.Accept(sampler.Sample(logits));
            greedy.Accept(greedy.Sample(logits));
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_fork_is_what_a_new_sampler_with_its_seed_is()
    {
        float[] logits = [.. Enumerable.Range(0, 50).Select(i => (i * 19 % 50) / 25f)];
        SamplingOptions options = new()
        {
            RepetitionPenalty = 2, FrequencyPenalty = 1, MinTokens = 3, StopTokens = [7], LogitBias = new Dictionary<int, double> { [9] = 2 }, Seed = 4,
        };
        SamplerWorkspace workspace = new(logits.Length);
        Sampler first = new(options, workspace, [8, 3, 3, 8], [1]);
        first.Accept(5);
        Sampler fork = first.Fork(5);
        Sampler fresh = new(options with { Seed = 5 }, workspace, [8, 3, 3, 8], [1]);
        for (int i = 0; i < 20; i++)
        {
            int token = fresh.Sample(logits);
            Assert.Equal(token, fork.Sample(logits));
            fresh.Accept(token);
            fork.Accept(token);
        }

        Assert.Equal((5, 20, true), (fork.Seed, fork.Generated, fork.IsStop(7)));
    }

    [Fact]
    public void Impossible_logits_are_refused()
    {
        float none = float.NegativeInfinity;
        Assert.Throws<InvalidOperationException>(() => Token(new SamplingOptions(), [none, none]));
        Assert.Throws<InvalidOperationException>(() => Token(new SamplingOptions(), [1, float.PositiveInfinity]));
        Assert.Throws<InvalidOperationException>(() => Token(new SamplingOptions { Temperature = 0.001 }, [1, float.MaxValue]));
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions(), new SamplerWorkspace(3), [], []).Sample([1, 2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(new SamplingOptions(), new SamplerWorkspace(3), [3], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(new SamplingOptions(), new SamplerWorkspace(3), [], [-1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(new SamplingOptions(), new SamplerWorkspace(3), [], []).Accept(3));
    }

    public static TheoryData<string, SamplingOptions> OutOfRange => new()
    {
        { "temperature: -0.1 ", new() { Temperature = -0.1 } },
        { "temperature: NaN ", new() { Temperature = double.NaN } },
        { "top_k: -2 ", new() { TopK = -2 } },
        { "top_p: 1.5 ", new() { TopP = 1.5 } },
        { "min_p: -1 ", new() { MinP = -1 } },
        { "repetition_penalty: 0 ", new() { RepetitionPenalty = 0 } },
        { "presence_penalty: 2.5 ", new() { PresencePenalty = 2.5 } },
        { "frequency_penalty: -3 ", new() { FrequencyPenalty = -3 } },
        { "logit_bias: token: 100 ", new() { LogitBias = new Dictionary<int, double> { [100] = 1 } } },
        { "logit_bias: 7: 101 ", new() { LogitBias = new Dictionary<int, double> { [7] = 101 } } },
        { "min_tokens: -1 ", new() { MinTokens = -1 } },
        { "min_tokens: 9 ", new() { MinTokens = 9, MaxTokens = 8 } },
        { "max_tokens: -1 ", new() { MaxTokens = -1 } },
        { "stop: length of a string: 0 ", new() { StopStrings = [""] } },
        { "stop: number of strings: 65 ", new() { StopStrings = new string[65] } },
        { "allowed_token_ids: token: 100 ", new() { AllowedTokens = [100] } },
        { "stop_token_ids: token: -1 ", new() { StopTokens = [-1] } },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void Options_out_of_range_are_named_with_their_value(string beginning, SamplingOptions options)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => options.Validate(100));
        Assert.StartsWith(beginning, error.Message);
        Assert.Throws<UserErrorException>(() => new Sampler(options, new SamplerWorkspace(100), [], []));
    }

    private static int Token(SamplingOptions options, float[] logits) =>
        new Sampler(options, new SamplerWorkspace(logits.Length), [], []).Sample(logits);

    private static List<int> Tokens(SamplingOptions options, float[] logits, int count)
    {
        Sampler sampler = new(options, new SamplerWorkspace(logits.Length), [], []);
        List<int> tokens = [];
        for (int i = 0; i < count; i++)
        {
            tokens.Add(sampler.Sample(logits));
            sampler.Accept(tokens[^1]);
        }

        return tokens;
    }

    private static float[] Probabilities(SamplingOptions options, float[] logits, int[] prompt)
    {
        SamplerWorkspace workspace = new(logits.Length);
        return Probabilities(new Sampler(options, workspace, prompt, []), workspace, logits);
    }

    /// <summary>The probabilities from which the sampler would draw, of which draws could tell only about what they are.</summary>
    private static float[] Probabilities(Sampler sampler, SamplerWorkspace workspace, float[] logits)
    {
        float[] probabilities = new float[logits.Length];
        int count = sampler.Weigh(logits, []);
        double total = workspace.Weights.Take(count).Sum(weight => (double)weight);
        for (int i = 0; i < count; i++)
        {
            probabilities[workspace.Tokens[i]] = (float)(workspace.Weights[i] / total);
        }

        return probabilities;
    }

    private static float[] Floats(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetSingle())];
}
