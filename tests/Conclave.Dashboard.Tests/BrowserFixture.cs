using System.Collections.Concurrent;
using Conclave.Engine;
using Conclave.Models;
using Conclave.Server;
using Conclave.Testing;
using Microsoft.Playwright;

namespace Conclave.Dashboard.Tests;

/// <summary>A server on fable, and Debian's Chromium.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    public const string Key = "sesame";
    private LoadedModel? _model;
    private InferenceEngine? _engine;
    private ConclaveServer? _server;
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public Uri Address => _server!.Address;

    public InferenceEngine Engine => _engine!;

    /// <summary>What each step waits for: fable fills its context in less than a second, before a page that is busy too can be clicked.</summary>
    public TimeSpan StepPause { get; set; }

    public static string Artifacts { get; } = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "artifacts")).FullName;

    public async ValueTask InitializeAsync()
    {
        _model = LoadedModel.Open(Repository.Fable, new LoadOptions
        {
            Divide = (config, kernels, team, options) => options with
            {
                Experts = new ExpertPartition(
                    new LocalExchange(config.RoutedExperts, config.ExpertsPerToken, kernels, team),
                    _ => [.. Enumerable.Range(0, config.RoutedExperts)],
                    (_, _) => Thread.Sleep(StepPause)),
            },
        });
        _engine = new InferenceEngine(_model, new EngineOptions { MaxRunning = 4 });
        _server = await ConclaveServer.StartAsync(_model, _engine, new ServerOptions { ModelName = "fable", Port = 0, ApiKey = Key });

        // A busy machine is not a fault of the page.
        Assertions.SetDefaultExpectTimeout(60_000);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = FindChromium(), Args = ["--no-sandbox", "--disable-gpu"] });
    }

    /// <summary>Opens the page; what it asks for and complains of is in what is returned.</summary>
    public async Task<OpenPage> OpenAsync(string? key = Key, int width = 1360, int height = 900, ColorScheme scheme = ColorScheme.Light, Func<IPage, Task>? prepare = null)
    {
        IBrowserContext context = await _browser!.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = height }, ColorScheme = scheme });
        context.SetDefaultTimeout(60_000);
        IPage page = await context.NewPageAsync();
        OpenPage opened = new(page);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                opened.Complaints.Add(message.Text);
            }
        };
        page.PageError += (_, error) => opened.Complaints.Add(error);
        page.Request += (_, request) => opened.Requests.Add(new Uri(request.Url));
        if (key is not null)
        {
            await page.AddInitScriptAsync($"sessionStorage.setItem('conclave-api-key', '{key}')");
        }

        if (prepare is not null)
        {
            await prepare(page);
        }

        await page.GotoAsync(Address.ToString());
        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _engine?.Dispose();
        _model?.Dispose();
    }

    private static string FindChromium() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome" }.Select(name => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException("Chromium is not installed; ./test installs it, or run: apt-get install chromium");
}

/// <summary>A page in the browser.</summary>
public sealed record OpenPage(IPage Page) : IAsyncDisposable
{
    public ConcurrentBag<string> Complaints { get; } = [];

    public ConcurrentBag<Uri> Requests { get; } = [];

    /// <summary>Writes into one of the settings, which are folded away at first.</summary>
    public async Task SetAsync(string selector, string value)
    {
        await Page.Locator("#settings").EvaluateAsync("details => details.open = true");
        await Page.FillAsync(selector, value);
    }

    public async Task SendAsync(string text)
    {
        await Page.FillAsync("#prompt", text);
        await Page.PressAsync("#prompt", "Enter");
    }

    public async ValueTask DisposeAsync() => await Page.Context.DisposeAsync();
}
