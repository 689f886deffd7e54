using System.Globalization;

namespace Conclave.Text;

/// <summary>Python's <c>strftime</c> in the C locale.</summary>
internal static class Strftime
{
    private static readonly string[] Days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

    private static readonly string[] Months =
    [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ];

    public static string Format(TextBuffer output, DateTime time, string format)
    {
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                output.Append(format[i]);
                continue;
            }

            // glibc: "-" leaves padding away, "0" and "_" choose it.
            char flag = format[i + 1] is '-' or '_' or '0' && i + 2 < format.Length ? format[++i] : '\0';
            char directive = format[++i];
            output.Append(Directive(time, directive, flag) ?? (flag == '\0' ? $"%{directive}" : $"%{flag}{directive}"));
        }

        return output.ToString();
    }

    private static string? Directive(DateTime time, char directive, char flag)
    {
        int hour12 = (time.Hour + 11) % 12 + 1;
        return directive switch
        {
            'a' => Days[(int)time.DayOfWeek][..3],
            'A' => Days[(int)time.DayOfWeek],
            'b' or 'h' => Months[time.Month - 1][..3],
            'B' => Months[time.Month - 1],
            'c' => $"{Days[(int)time.DayOfWeek][..3]} {Months[time.Month - 1][..3]} {Number(time.Day, 2, '_')} {Clock(time)} {time.Year}",
            'C' => Number(time.Year / 100, 2, flag),
            'd' => Number(time.Day, 2, flag),
            'D' or 'x' => $"{Number(time.Month, 2)}/{Number(time.Day, 2)}/{Number(time.Year % 100, 2)}",
            'e' => Number(time.Day, 2, flag == '\0' ? '_' : flag),
            'f' => Number((int)(time.Ticks % TimeSpan.TicksPerSecond / 10), 6),
            'F' => $"{time.Year}-{Number(time.Month, 2)}-{Number(time.Day, 2)}",
            'g' => Number(ISOWeek.GetYear(time) % 100, 2, flag),
            'G' => Number(ISOWeek.GetYear(time), 4, flag),
            'H' => Number(time.Hour, 2, flag),
            'I' => Number(hour12, 2, flag),
            'j' => Number(time.DayOfYear, 3, flag),
            'k' => Number(time.Hour, 2, flag == '\0' ? '_' : flag),
            'l' => Number(hour12, 2, flag == '\0' ? '_' : flag),
            'm' => Number(time.Month, 2, flag),
            'M' => Number(time.Minute, 2, flag),
            'n' => "\n",
            'p' => time.Hour < 12 ? "AM" : "PM",
            'P' => time.Hour < 12 ? "am" : "pm",
            'r' => $"{Number(hour12, 2)}:{Number(time.Minute, 2)}:{Number(time.Second, 2)} {(time.Hour < 12 ? "AM" : "PM")}",
            'R' => $"{Number(time.Hour, 2)}:{Number(time.Minute, 2)}",
            's' => new DateTimeOffset(time).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Number(time.Second, 2, flag),
            't' => "\t",
            'T' or 'X' => Clock(time),
            'u' => Number(((int)time.DayOfWeek + 6) % 7 + 1, 1),
            'U' => Number((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2, flag),
            'V' => Number(ISOWeek.GetWeekOfYear(time), 2, flag),
            'w' => Number((int)time.DayOfWeek, 1),
            'W' => Number((time.DayOfYear + 6 - ((int)time.DayOfWeek + 6) % 7) / 7, 2, flag),
            'y' => Number(time.Year % 100, 2, flag),
            'Y' => Number(time.Year, 4, flag),

            // The time that transformers asks for carries no zone.
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };
    }

    private static string Clock(DateTime time) => $"{Number(time.Hour, 2)}:{Number(time.Minute, 2)}:{Number(time.Second, 2)}";

    private static string Number(int value, int width, char flag = '\0')
    {
        string digits = value.ToString(CultureInfo.InvariantCulture);
        return flag switch
        {
            '-' => digits,
            '_' => digits.PadLeft(width),
            _ => digits.PadLeft(width, '0'),
        };
    }
}
