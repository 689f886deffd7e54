using System.Diagnostics;
using Conclave.Transport;
using Conclave.Transport.Bench;
using Conclave.Transport.InProcess;
using Conclave.Transport.Ucx;

// Half of a round trip and bandwidth, for each size of message, between two ranks: threads of a process, processes over UCX's shared memory, and processes on two
// "hosts" of scripts/hosts with a link of 10 Gbit/s and of 1 Gbit/s (for which it must run as root). "raw" is UCX without the transport.
//   dotnet run -c Release --project bench/Transport                    all of them
//   Transport.dll FOLDER RANK                                          one rank, which the above starts
int[] sizes = [8, 1024, 8192, 65536, 1 << 20];
TransportOptions options = new() { MaxMessageBytes = sizes[^1] };
switch (args)
{
    case []:
        break;
    case [string folder, "0" or "1"]:
        MeasureUcx(folder, int.Parse(args[1]));
        return 0;
    default:
        Console.Error.WriteLine("usage: Transport, without arguments");
        return 2;
}

Console.WriteLine($"{"path",-16}{"bytes",9}{"half RTT µs",14}{"MB/s",10}{"raw µs",12}{"raw MB/s",10}");
MeasureInProcess();
string program = Environment.GetCommandLineArgs()[0];
Start("ucx shm", folder => [.. Enumerable.Range(0, 2).Select(rank => new ProcessStartInfo("dotnet", [program, folder, $"{rank}"]))]);
if (Environment.IsPrivilegedProcess)
{
    foreach (string rate in (string[])["10gbit", "1gbit"])
    {
        Start($"ucx {rate}", folder =>
            [new ProcessStartInfo("scripts/hosts", ["2", "--rate", rate, "--burst", "256kb", "--", "sh", "-c", $"exec dotnet '{program}' '{folder}' $CONCLAVE_HOST"])]);
    }
}

return 0;

void MeasureInProcess()
{
    using InProcessFabric fabric = new(Topology.Even(2, 1), options);
    Thread other = new(() => Array.ForEach(sizes, bytes => Measurement.Run(new TransportPath(fabric[1]), bytes)));
    other.Start();
    foreach (int bytes in sizes)
    {
        (double half, double rate) = Measurement.Run(new TransportPath(fabric[0]), bytes);
        Console.WriteLine($"{"in process",-16}{bytes,9}{half,14:0.00}{rate / 1e6,10:0}");
    }

    other.Join();
}

void MeasureUcx(string folder, int rank)
{
    (double Half, double Rate)[] own;
    using (UcxTransport transport = new(Topology.Even(2, 1), rank, options))
    {
        byte[] mine = transport.LocalAddress.ToArray();
        byte[] peer = Meet(folder, "transport", rank, mine);
        transport.Connect(rank == 0 ? [mine, peer] : [peer, mine]);
        TransportPath path = new(transport);
        own = [.. sizes.Select(bytes => Measurement.Run(path, bytes))];
    }

    using RawPath raw = new(rank, sizes[^1], mine => Meet(folder, "raw", rank, mine));
    for (int i = 0; i < sizes.Length; i++)
    {
        (double half, double rate) = Measurement.Run(raw, sizes[i]);
        if (rank == 0)
        {
            Console.WriteLine($"{sizes[i],9}{own[i].Half,14:0.00}{own[i].Rate / 1e6,10:0}{half,12:0.00}{rate / 1e6,10:0}");
        }
    }
}

static byte[] Meet(string folder, string name, int rank, byte[] mine)
{
    string path = Path.Combine(folder, $"{name}.{rank}");
    File.WriteAllBytes($"{path}.new", mine);
    File.Move($"{path}.new", path);
    string other = Path.Combine(folder, $"{name}.{1 - rank}");
    while (!File.Exists(other))
    {
        Thread.Sleep(2);
    }

    return File.ReadAllBytes(other);
}

static void Start(string label, Func<string, ProcessStartInfo[]> commands)
{
    string folder = Directory.CreateTempSubdirectory("conclave-transport-").FullName;
    try
    {
        Process[] processes = [.. commands(folder).Select(command =>
        {
            command.RedirectStandardOutput = true;
            command.UseShellExecute = false;
            Process process = Process.Start(command)!;
            process.OutputDataReceived += (_, line) =>
            {
                if (line.Data is not null)
                {
                    Console.WriteLine($"{label,-16}{line.Data}");
                }
            };
            process.BeginOutputReadLine();
            return process;
        })];
        Array.ForEach(processes, process => process.WaitForExit());
        Array.ForEach(processes, process => process.Dispose());
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}
