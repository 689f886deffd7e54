using System.CommandLine;
using System.Runtime.InteropServices;
using Conclave.Cli.Commands;
using Conclave.Cli.Frame;
using Conclave.Measurement.Load;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli;

/// <summary>
/// The conclave command. Exit codes: 0 done, 1 it did not work, 2 the person's mistake (arguments, files), 130 and 143 stopped by SIGINT and SIGTERM.
/// </summary>
internal static class Program
{
    private const int Failure = 1;
    private const int UserMistake = 2;
    private const int SignalBase = 128;

    // A server has 219 (each assembly twice). Where there is room for less than this, .NET cannot load an assembly or start a thread, and says so in other words or not at all.
    private const int LeastOpenFiles = 200;

    private static int Main(string[] args)
    {
        StandardError.Install();
        using CancellationTokenSource stop = new();
        int stoppedBy = 0;
        void Stop(PosixSignalContext context)
        {
            if (context.Signal == PosixSignal.SIGINT && Interruption.TryEnd())
            {
                context.Cancel = true;
                return;
            }

            // The second signal has its default effect: it ends a command that does not stop.
            if (!stop.IsCancellationRequested)
            {
                context.Cancel = true;
                stoppedBy = context.Signal == PosixSignal.SIGINT ? 2 : 15;
                stop.Cancel();
            }
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            using TextWriter output = StandardOutput.Open();
            if (args is ["launch" or "serve", ..])
            {
                OpenFileLimit.Require(LeastOpenFiles);
            }

            int code = Run(args, output, stop.Token);
            output.Flush();
            return code;
        }
        catch (UserErrorException e)
        {
            return Complain(UserMistake, e.Lines);
        }
        catch (Exception e) when (e is RankFailedException or LoadException)
        {
            return Complain(Failure, e.Message);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return SignalBase + stoppedBy;
        }
        catch (IOException e) when (StandardOutput.IsClosedPipe(e))
        {
            // Whoever read the output has seen enough.
            return 0;
        }
        catch (UnauthorizedAccessException e) when (StandardOutput.IsMissing(e))
        {
            return Complain(Failure, "standard output is closed: there is no place for what the command writes");
        }
        catch (Exception e) when (OpenFileLimit.Explain(e) is { } limit)
        {
            return Complain(Failure, limit);
        }
#pragma warning disable CA1031 // The last catch: whatever it was, the person reads one line.
        catch (Exception e)
#pragma warning restore CA1031
        {
            bool trace = Environment.GetEnvironmentVariable("CONCLAVE_TRACE") == "1";
            return trace ? Complain(Failure, e.ToString().Split('\n')) : Complain(Failure, $"{e.Message} ({e.GetType().Name}; CONCLAVE_TRACE=1 shows where)");
        }
    }

    /// <summary>What is wrong with arguments; null: nothing.</summary>
    internal static string? Check(string[] args) => ParseErrors.Describe(args, some => Parse(some, leader: null), out _);

    /// <summary>Runs a command.</summary>
    /// <param name="args">Its name and arguments.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="leader">Where it runs over many ranks, the one that it is; null: alone.</param>
    internal static int Run(string[] args, TextWriter output, CancellationToken cancellation, RankLeader? leader = null)
    {
        if (ParseErrors.Describe(args, some => Parse(some, leader), out ParseResult result) is { } mistake)
        {
            return Complain(UserMistake, mistake.Split('\n'));
        }

        InvocationConfiguration invocation = new()
        {
            Output = output,
            Error = Console.Error,
            EnableDefaultExceptionHandler = false,

            // Signals are handled above; System.CommandLine would end the process two seconds after one.
            ProcessTerminationTimeout = null,
        };
        return result.InvokeAsync(invocation, cancellation).GetAwaiter().GetResult();
    }

    // No response files: a prompt may begin with "@".
    private static ParseResult Parse(string[] args, RankLeader? leader) =>
        Root(leader).Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });

    private static RootCommand Root(RankLeader? leader)
    {
        RootCommand root = new("Runs DeepSeek-class mixture-of-experts models from their released files.")
        {
            ChatCommand.Create(),
            GenerateCommand.Create(leader),
            ServeCommand.Create(leader),
            VerifyCommand.Create(),
            PerplexityCommand.Create(),
            TokenizeCommand.Create(),
            TemplateCommand.Create(),
            InspectCommand.Create(),
            SynthCommand.Create(),
            PlacementCommand.Create(),
            BenchCommand.Create(leader),
            LaunchCommand.Create(),
            RankCommand.Create(),
            HostCommand.Create(),
        };
        root.SetAction(result => root.Parse("--help").Invoke(result.InvocationConfiguration));
        ExamplesHelp.Install(root);
        FileNames.RefuseEmpty(root);
        NumberOptions.Check(root);
        return root;
    }

    private static int Complain(int code, params IEnumerable<string> lines)
    {
        Console.Error.WriteLine($"error: {string.Join('\n', lines.Select(Terminal.Printable))}");
        return code;
    }
}
