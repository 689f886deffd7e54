using System.Globalization;
using Conclave.Bench.Placements;
using Conclave.Engine;
using Conclave.Testing;

// Placement of experts.
//   Placement time                                      how long planning takes, EPLB and conclave
//   Placement record FILE [TOKENS [ENGLISH [CHINESE]]]  fable writes; loads in windows of TOKENS (65536), so many ENGLISH (8) ones, then CHINESE (6)
//   Placement online [TOKENS [ENGLISH [CHINESE]]]       8 ranks run fable and move experts; windows of TOKENS (8192), so many ENGLISH (20) ones, then CHINESE (20)
//   Placement replay [FILE]                             planned on window i, scored on i + 1; default: the recording of the tests
switch (args)
{
    case ["time"]:
        PlanningTime.Print();
        return 0;
    case ["record", string file, .. string[] numbers]:
        int[] sizes = [.. numbers.Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        using (LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Contexts = 64 }))
        using (InferenceEngine engine = new(model, new EngineOptions { MaxRunning = 64 }))
        using (StreamWriter output = new(file))
        {
            output.AutoFlush = true;
            LoadRecorder recorder = new(model, engine, sizes.ElementAtOrDefault(0) is > 0 and int tokens ? tokens : 65_536);
            await recorder.RecordAsync(sizes.Length > 1 ? sizes[1] : 8, sizes.Length > 2 ? sizes[2] : 6, window => window.Write(output));
        }

        return 0;
    case ["online", .. string[] numbers]:
        int[] windows = [.. numbers.Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        await new OnlineReplay(
            windows.ElementAtOrDefault(0) is > 0 and int length ? length : 8192, windows.Length > 1 ? windows[1] : 20, windows.Length > 2 ? windows[2] : 20).PrintAsync();
        return 0;
    case ["replay"]:
        BalanceReplay.Print(LoadWindow.Read(Repository.Data("placement", "fable-loads.jsonl")));
        return 0;
    case ["replay", string file]:
        BalanceReplay.Print(LoadWindow.Read(file));
        return 0;
    default:
        Console.Error.WriteLine("Placement time | record FILE [TOKENS [ENGLISH [CHINESE]]] | online [TOKENS [ENGLISH [CHINESE]]] | replay [FILE]");
        return 2;
}
