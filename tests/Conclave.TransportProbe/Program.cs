using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.Ucx;

// One rank of a world of processes that meet in a folder, for tests.
//   Conclave.TransportProbe FOLDER RANK HOSTS exchange MESSAGES BYTES     HOSTS: the host of each rank, "0,0,1"
//       sends MESSAGES messages of BYTES to each peer, checks what it receives, and prints the bytes that it sent across hosts
//   Conclave.TransportProbe FOLDER RANK HOSTS watch
//       exchanges one message with each peer, prints "ready", and prints "PEER REASON" of every peer that fails, until all have failed
string folder = args[0];
int rank = int.Parse(args[1]);
Topology topology = new(args[2].Split(',').Select(int.Parse));
int messages = args[3] == "exchange" ? int.Parse(args[4]) : 1;
int bytes = args[3] == "exchange" ? int.Parse(args[5]) : 8;
TransportOptions options = new();
using UcxTransport transport = new(topology, rank, options);
transport.Connect(Meet());
Exchange();
if (args[3] == "watch")
{
    Console.WriteLine("ready");
    Watch();
}
else
{
    // Nobody leaves while others still wait for credits or read.
    Console.WriteLine($"{transport.Counters.BytesSent(LinkClass.CrossHost)} {transport.Counters.BytesReceived(LinkClass.CrossHost)}");
}

byte[][] Meet()
{
    string mine = Path.Combine(folder, $"address.{rank}");
    File.WriteAllBytes($"{mine}.new", transport.LocalAddress.ToArray());
    File.Move($"{mine}.new", mine);
    byte[][] addresses = new byte[topology.World][];
    for (int peer = 0; peer < topology.World; peer++)
    {
        string path = Path.Combine(folder, $"address.{peer}");
        while (!File.Exists(path))
        {
            Thread.Sleep(2);
        }

        addresses[peer] = File.ReadAllBytes(path);
    }

    return addresses;
}

void Exchange()
{
    NativeBuffer payload = transport.Register(bytes);
    NativeSlice slice = new(payload, 0, bytes);
    slice.Span.Fill((byte)(rank + 1));
    int[] sent = new int[topology.World];
    int[] left = new int[topology.World];
    int[] received = new int[topology.World];
    Completion[] completions = new Completion[16];
    while (Enumerable.Range(0, topology.World).Any(peer => peer != rank && (left[peer] < messages || received[peer] < messages)))
    {
        bool worked = false;
        for (int peer = 0; peer < topology.World; peer++)
        {
            while (peer != rank && sent[peer] < messages && transport.TrySend(peer, (ulong)sent[peer], slice))
            {
                sent[peer]++;
                worked = true;
            }
        }

        int count = transport.Poll(completions);
        foreach (Completion completion in completions.AsSpan(0, count))
        {
            switch (completion.Kind)
            {
                case CompletionKind.Sent:
                    left[completion.Peer]++;
                    break;
                case CompletionKind.Received:
                    if (completion.Tag != (ulong)received[completion.Peer]++ || completion.Payload.Length != bytes ||
                        completion.Payload.Span.ContainsAnyExcept((byte)(completion.Peer + 1)))
                    {
                        throw new InvalidDataException($"rank {rank}: message {completion.Tag} of rank {completion.Peer} is not what was sent");
                    }

                    transport.Release(completion);
                    break;
                default:
                    // A peer that has had all may leave.
                    if (left[completion.Peer] < messages || received[completion.Peer] < messages)
                    {
                        throw new InvalidDataException($"rank {rank}: rank {completion.Peer} {completion.Reason}");
                    }

                    break;
            }
        }

        if (count == 0 && !worked)
        {
            transport.Wait(TimeSpan.FromSeconds(1));
        }
    }
}

void Watch()
{
    Completion[] completions = new Completion[16];
    int failed = 0;
    while (failed < topology.World - 1)
    {
        transport.Wait(TimeSpan.FromSeconds(1));
        foreach (Completion completion in completions.AsSpan(0, transport.Poll(completions)))
        {
            if (completion.Kind == CompletionKind.PeerFailed)
            {
                failed++;
                Console.WriteLine($"{completion.Peer} {completion.Reason}");
            }
        }
    }
}
