using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Roles that chat templates do not know.</summary>
public sealed class RoleTests(ChatFixture chat) : IClassFixture<ChatFixture>
{
    [Fact]
    public async Task WhatADeveloperSaysIsWhatTheSystemSays()
    {
        async Task<string> AskAsync(string role)
        {
            ChatMessage[] messages = [new(new ChatRole(role), "You tell tales."), new(ChatRole.User, "Hello")];
            ChatResponse answer = await chat.Client.GetResponseAsync(messages, new ChatOptions { Seed = 1, MaxOutputTokens = 20 }, TestContext.Current.CancellationToken);
            return $"{answer.Usage!.InputTokenCount} {answer.Text}";
        }

        Assert.Equal(await AskAsync("system"), await AskAsync("developer"));
    }
}
