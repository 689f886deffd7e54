using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Conclave.Dashboard.Tests;

public sealed class DashboardPageTests(BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private const string Hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> \u202e &amp; </div>";

    [Fact]
    public async Task Chat_streams_an_answer_and_the_figures_move()
    {
        await using OpenPage opened = await browser.OpenAsync();
        IPage page = opened.Page;
        await Expect(page.Locator("#connection")).ToHaveTextAsync("Connected");
        await Expect(page.Locator("#model")).ToHaveTextAsync("fable");
        await opened.SetAsync("#max-tokens", "60");
        await opened.SetAsync("#temperature", "0");
        await opened.SendAsync("Tell me a story about a fox.");
        await Expect(page.Locator(".assistant .note")).ToContainTextAsync("60 tokens");
        string answer = await page.Locator(".assistant > .text").InnerTextAsync();
        Assert.True(answer.Length > 20, answer);
        await Expect(page.Locator("#latency tbody tr").First).Not.ToContainTextAsync("–");
        await Expect(page.Locator("#generation-chart .curve")).ToHaveCountAsync(1);
        await Expect(page.Locator("#generation-now")).Not.ToHaveTextAsync("0");
        Assert.Empty(opened.Complaints);
        Assert.All(opened.Requests, request => Assert.Equal(browser.Address.Authority, request.Authority));
    }

    [Fact]
    public async Task Queue_and_cache_show_what_the_engine_has()
    {
        // Four can run. While they are in their first 64 tokens the figures stay as they are.
        browser.StepPause = TimeSpan.FromSeconds(2);
        GenerationRequest request = new() { Prompt = [.. Enumerable.Repeat(70, 130)], Sampling = new SamplingOptions { IgnoreEos = true } };
        List<Generation> generations = [];
        try
        {
            generations.Add(browser.Engine.Submit(request));
            while (!generations[0].TryRead(out _))
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }

            // These find two blocks of the first one's prompt.
            generations.AddRange(browser.Engine.Submit([.. Enumerable.Repeat(request, 5)]));
            while (browser.Engine.Status.Running < 4)
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }

            await using OpenPage opened = await browser.OpenAsync();
            IPage page = opened.Page;
            await Expect(page.Locator("#running")).ToHaveTextAsync("4");
            await Expect(page.Locator("#waiting")).ToHaveTextAsync("2");
            EngineStatus status = browser.Engine.Status;
            Assert.True(status is { UsedBlocks: > 0, PrefixHits: >= 3 * 128 }, $"{status}");
            await Expect(page.Locator("#cache")).ToHaveTextAsync(FormattableString.Invariant($"{100.0 * status.UsedBlocks / status.CacheBlocks:F1} %"));
            await Expect(page.Locator("#cache-note")).ToHaveTextAsync(FormattableString.Invariant($"{status.UsedBlocks:N0} of {status.CacheBlocks:N0} blocks"));
            await Expect(page.Locator("#prefix")).ToHaveTextAsync(FormattableString.Invariant($"{100.0 * status.PrefixHits / status.PrefixQueries:F1} %"));
            await Expect(page.Locator("#prefix-note")).ToHaveTextAsync(FormattableString.Invariant($"{status.PrefixHits:N0} of {status.PrefixQueries:N0} tokens"));
        }
        finally
        {
            generations.ForEach(generation => generation.Cancel());
            browser.StepPause = TimeSpan.Zero;
        }
    }

    [Fact]
    public async Task Heat_map_has_a_cell_for_each_expert()
    {
        await using OpenPage opened = await browser.OpenAsync();
        IPage page = opened.Page;
        await opened.SetAsync("#max-tokens", "60");
        await opened.SendAsync("Hello.");
        await Expect(page.Locator(".assistant .note")).ToHaveCountAsync(1);
        await Expect(page.Locator("#experts tbody tr")).ToHaveCountAsync(4);
        await Expect(page.Locator("#experts td.ratio").First).ToContainTextAsync("×");
        int[] widths = await page.Locator("#experts canvas").EvaluateAllAsync<int[]>("list => list.map(canvas => canvas.width)");
        Assert.Equal([64, 64, 64, 64], widths);

        // The page asks for the loads every so often, so the first that it draws may be those of the first few tokens.
        await page.WaitForFunctionAsync("""
            () => {
                const canvas = document.querySelector('#experts canvas');
                return new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, 1).data.buffer)).size > 4;
            }
            """);

        // By keyboard: the second expert of the second layer with experts, which is layer 2.
        await page.FocusAsync("#experts");
        foreach (string key in new[] { "ArrowRight", "ArrowRight", "ArrowDown" })
        {
            await page.PressAsync("#experts", key);
        }

        await Expect(page.Locator("#expert-detail")).ToContainTextAsync("Layer 2, expert 1:");
        Assert.Empty(opened.Complaints);
    }

    [Fact]
    public async Task Stop_ends_an_answer_and_the_engine_forgets_it()
    {
        // No temperature rules the end token out, so the request on its way says that it does not end the answer.
        await using OpenPage opened = await browser.OpenAsync(prepare: page => page.RouteAsync("**/v1/chat/completions", async route =>
        {
            JsonNode body = JsonNode.Parse(route.Request.PostData!)!;
            body["ignore_eos"] = true;
            await route.ContinueAsync(new RouteContinueOptions { PostData = Encoding.UTF8.GetBytes(body.ToJsonString()) });
        }));
        IPage page = opened.Page;
        browser.StepPause = TimeSpan.FromMilliseconds(100);
        try
        {
            await opened.SendAsync("Tell me a very long story.");
            await Expect(page.Locator(".assistant")).Not.ToHaveTextAsync("");
            Assert.Equal(1, browser.Engine.Status.Running);
            await page.ClickAsync("#stop");
            await Expect(page.Locator(".assistant .note")).ToContainTextAsync("stopped");
            await Expect(page.Locator("#stop")).ToBeHiddenAsync();
            await Expect(page.Locator("#send")).ToBeEnabledAsync();

            // The server notices a moment later that the page has closed its connection; the answer would take more than a minute.
            for (int attempt = 0; browser.Engine.Status.Running > 0; attempt++)
            {
                Assert.True(attempt < 600, "the answer goes on");
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }
        }
        finally
        {
            browser.StepPause = TimeSpan.Zero;
        }

        await Expect(page.Locator("#running")).ToHaveTextAsync("0");
        Assert.Empty(opened.Complaints);
    }

    [Fact]
    public async Task Reasoning_is_folded_and_hostile_text_stays_text()
    {
        await using OpenPage opened = await browser.OpenAsync(prepare: page => Answer(page, 200, Stream(
            Delta(new { role = "assistant" }), Delta(new { reasoning_content = "I think " }), Delta(new { reasoning_content = Hostile }), Delta(new { content = Hostile }))));
        IPage page = opened.Page;
        await opened.SendAsync(Hostile);
        ILocator reasoning = page.Locator(".assistant details.reasoning");
        await Expect(reasoning.Locator("summary")).ToHaveTextAsync("Reasoning");
        await Expect(reasoning.Locator(".text")).ToBeHiddenAsync();
        await reasoning.Locator("summary").ClickAsync();
        await Expect(reasoning.Locator(".text")).ToBeVisibleAsync();
        Assert.Equal("I think " + Hostile, await reasoning.Locator(".text").TextContentAsync());
        Assert.Equal(Hostile, await page.Locator(".assistant > .text").TextContentAsync());
        Assert.Equal(Hostile, await page.Locator(".user > .text").TextContentAsync());
        await Expect(page.Locator("#log img, #log script")).ToHaveCountAsync(0);
        Assert.DoesNotContain("owned", await page.TitleAsync(), StringComparison.Ordinal);
        Assert.Empty(opened.Complaints);
    }

    [Fact]
    public async Task Markup_that_gets_in_would_still_not_run()
    {
        await using OpenPage opened = await browser.OpenAsync();
        await opened.Page.EvaluateAsync("html => document.getElementById('log').innerHTML = html", Hostile);
        await opened.Page.WaitForFunctionAsync("() => document.querySelector('#log img')?.complete");
        Assert.DoesNotContain("owned", await opened.Page.TitleAsync(), StringComparison.Ordinal);
        Assert.Contains(opened.Complaints, complaint => complaint.Contains("Content Security Policy", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(429, "busy")]
    [InlineData(400, "refused the request: no")]
    [InlineData(503, "takes no requests now: no")]
    [InlineData(500, "refused the request: no")]
    public async Task Errors_are_sentences_and_the_message_can_be_sent_again(int status, string expected)
    {
        await using OpenPage opened = await browser.OpenAsync(prepare: page => Answer(page, status, "{\"error\":{\"message\":\"no\"}}"));
        await opened.SendAsync("Hello.");
        await Expect(opened.Page.Locator("#log [role=alert]")).ToContainTextAsync(expected);
        await Expect(opened.Page.Locator("#prompt")).ToHaveValueAsync("Hello.");
        await Expect(opened.Page.Locator(".user")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_says_so()
    {
        string body = $"data: {Delta(new { content = "Once" })}\n\ndata: {{\"error\":{{\"message\":\"a step failed\"}}}}\n\n";
        await using OpenPage opened = await browser.OpenAsync(prepare: page => Answer(page, 200, body));
        await opened.SendAsync("Hello.");
        await Expect(opened.Page.Locator("#log [role=alert]")).ToHaveTextAsync("The answer broke off: a step failed");
        await Expect(opened.Page.Locator(".assistant > .text")).ToHaveTextAsync("Once");
    }

    [Fact]
    public async Task A_wrong_key_is_told_and_the_right_one_connects()
    {
        await using OpenPage opened = await browser.OpenAsync(key: "wrong");
        IPage page = opened.Page;
        await Expect(page.Locator("#connection")).ToHaveTextAsync("The server refused this API key");
        await opened.SendAsync("Hello.");
        await Expect(page.Locator("#log [role=alert]")).ToHaveTextAsync("The server refused the API key. Enter the right one at the top of the page.");
        await page.FillAsync("#key", BrowserFixture.Key);
        await page.PressAsync("#key", "Enter");
        await Expect(page.Locator("#connection")).ToHaveTextAsync("Connected");
        Assert.Equal(BrowserFixture.Key, await page.EvaluateAsync<string>("sessionStorage.getItem('conclave-api-key')"));
    }

    [Theory]
    [InlineData("light", 1360, 900, ColorScheme.Light)]
    [InlineData("dark", 1360, 900, ColorScheme.Dark)]
    [InlineData("phone", 390, 844, ColorScheme.Light)]
    public async Task Screenshot(string name, int width, int height, ColorScheme scheme)
    {
        await using OpenPage opened = await browser.OpenAsync(width: width, height: height, scheme: scheme);
        IPage page = opened.Page;
        await opened.SetAsync("#max-tokens", "120");
        await opened.SendAsync("Tell me a story about a fox.");
        await Expect(page.Locator(".assistant .note")).ToHaveCountAsync(1);
        await Expect(page.Locator("#generation-chart .curve")).ToHaveCountAsync(1);
        await page.ScreenshotAsync(new() { Path = Path.Combine(BrowserFixture.Artifacts, $"{name}.png"), FullPage = true });
        int overflow = await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth");
        Assert.True(overflow <= 0, $"the page is {overflow} pixels too wide");
        Assert.Empty(opened.Complaints);
    }

    private static string Delta(object delta) => JsonSerializer.Serialize(new { choices = new[] { new { index = 0, delta } } });

    private static string Stream(params string[] chunks) => string.Concat(chunks.Append("[DONE]").Select(chunk => $"data: {chunk}\r\n\r\n"));

    private static Task Answer(IPage page, int status, string body) => page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new()
    {
        Status = status,
        ContentType = status == 200 ? "text/event-stream" : "application/json",
        Body = body,
    }));
}
