using Conclave.Models;

namespace Conclave.Parallel.Exchange;

/// <summary>A micro-batch of a <see cref="RankedExchange"/>: the exchange under way and the next, of which peers may already send.</summary>
internal sealed class RankedSlot : ExchangeSlot
{
    private readonly Flight[] _flights;
    private int _turn;

    public RankedSlot(ExchangeShape shape, int number, int maxTokens)
    {
        Number = number;
        _flights = [new Flight(shape, maxTokens, 0), new Flight(shape, maxTokens, 1)];
    }

    /// <summary>Slots that were created before it.</summary>
    public int Number { get; }

    /// <inheritdoc/>
    public override int MaxRows => _flights[0].MaxOutputs;

    /// <summary>Times its halves.</summary>
    public HalfClock Clock { get; } = new();

    /// <summary>Whether outputs are on their way back.</summary>
    public bool IsCombining { get; set; }

    /// <summary>The exchange under way.</summary>
    public Flight Current => _flights[_turn];

    /// <summary>The flight of that step; null where it is neither the current nor the next.</summary>
    public Flight? At(uint step)
    {
        Flight flight = _flights[step % (uint)_flights.Length];
        return flight.Step == step ? flight : null;
    }

    /// <summary>Ends the current exchange.</summary>
    public void Advance()
    {
        Current.Reset();
        _turn ^= 1;
    }

    protected override void Dispose(bool disposing)
    {
        foreach (Flight flight in _flights)
        {
            flight.Dispose();
        }
    }
}
