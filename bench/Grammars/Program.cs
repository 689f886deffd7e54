using System.Diagnostics;
using System.Text.Json;
using Conclave.Bench.Grammars;
using Conclave.Testing;
using Conclave.Text;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

// Grammars: what constrained decoding costs per token. Documents, cut into the longest tokens of the vocabulary, are replayed: a mask, then
// the token. The first documents warm the caches (their slowest mask is printed as "cold"); all others are new to the matcher.
if (args.Length > 0)
{
    Console.Error.WriteLine("usage: Grammars, without arguments");
    return 2;
}

Tokenizer fable = Tokenizer.Load(Repository.Fable);
using JsonDocument schema = JsonDocument.Parse(Documents.Schema);
Console.WriteLine($"{"vocabulary",-12} {"grammar",-12} {"compile ms",10} {"cold ms",9} {"tokens",8} {"mask µs: median",15} {"p99",8} {"max",8} {"accept µs: median",18} {"p99",8} {"bytes/token",12}");
foreach (Tokenizer tokenizer in (Tokenizer[])[fable, LargeVocabulary.Load(fable)])
{
    TokenMasks masks = new(tokenizer, 1);
    LongestTokens vocabulary = new(tokenizer);
    foreach (string name in (string[])["json_object", "json_schema", "strict_tool"])
    {
        Stopwatch clock = Stopwatch.StartNew();
        Grammar grammar = name switch
        {
            "json_object" => Grammar.JsonObject(),
            "json_schema" => Grammar.FromJsonSchema(schema.RootElement),

            // Documents are text here, in which a call may begin at any place.
            _ => ToolCallFormat.DeepSeekR1.CreateAutoGrammar([new ChatTool("save", schema.RootElement, Strict: true)], tokenizer, parallel: true),
        };
        _ = masks.CreateMatcher(grammar);
        double compile = clock.Elapsed.TotalMilliseconds;

        Documents documents = new();
        Samples cold = Replay(20);
        Samples warm = Replay(300);
        Console.WriteLine(
            $"{tokenizer.VocabularySize,-12} {name,-12} {compile,10:F1} {cold.Mask[^1] / 1000,9:F2} {warm.Mask.Count,8} {warm.Mask[warm.Mask.Count / 2],15:F2} {warm.Mask[warm.Mask.Count * 99 / 100],8:F2} {warm.Mask[^1],8:F1}"
            + $" {warm.Accept[warm.Accept.Count / 2],18:F2} {warm.Accept[warm.Accept.Count * 99 / 100],8:F2} {warm.Allocated / warm.Mask.Count,12}");

        Samples Replay(int count)
        {
            List<double> mask = [];
            List<double> accept = [];
            uint[] bits = new uint[masks.MaskWords];
            long allocated = 0;
            for (int i = 0; i < count; i++)
            {
                List<int> tokens = vocabulary.Cut(documents.Next());
                mask.EnsureCapacity(mask.Count + tokens.Count);
                accept.EnsureCapacity(accept.Count + tokens.Count);
                GrammarMatcher matcher = masks.CreateMatcher(grammar);
                long before = GC.GetAllocatedBytesForCurrentThread();
                foreach (int token in tokens)
                {
                    long start = Stopwatch.GetTimestamp();
                    matcher.FillMask(bits);
                    long middle = Stopwatch.GetTimestamp();
                    bool accepted = matcher.TryAccept(token);
                    long end = Stopwatch.GetTimestamp();
                    if (!accepted || (bits[token >> 5] & (1u << (token & 31))) == 0)
                    {
                        throw new InvalidOperationException($"{tokenizer.TokenText(token)} is not allowed");
                    }

                    mask.Add(Stopwatch.GetElapsedTime(start, middle).TotalMicroseconds);
                    accept.Add(Stopwatch.GetElapsedTime(middle, end).TotalMicroseconds);
                }

                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            mask.Sort();
            accept.Sort();
            return new Samples(mask, accept, allocated);
        }
    }
}

return 0;
