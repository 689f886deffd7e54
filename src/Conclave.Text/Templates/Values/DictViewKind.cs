namespace Conclave.Text;

internal enum DictViewKind
{
    Keys,
    Values,
    Items,
}
