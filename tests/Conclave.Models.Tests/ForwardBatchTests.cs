namespace Conclave.Models.Tests;

public sealed class ForwardBatchTests
{
    [Fact]
    public void EachFormHasRoomForEverySequence()
    {
        using ForwardBatch batch = new(8, 2, 8);
        Add(AttentionForm.Expanded);
        Add(AttentionForm.Expanded);
        Add(AttentionForm.Absorbed);
        Assert.Throws<ArgumentException>(() => Add(AttentionForm.Expanded));
        Add(AttentionForm.Absorbed);
        Assert.Throws<ArgumentException>(() => Add(AttentionForm.Absorbed));
        Assert.Equal((4, 2, 2), (batch.Count, batch.Expanded.Length, batch.Absorbed.Length));

        void Add(AttentionForm form) => batch.Add([5], 0, form, [0], 0);
    }
}
