// How much of a long table a run takes.

import Glibc

/// What the environment asks for.
public enum Extent {
    private static let wish = getenv("NETEMU_MIGRATION").map { String(cString: $0) }

    /// NETEMU_MIGRATION=whole, as `make test-migration` sets it: everything, however long it takes.
    public static let isWhole = wish == "whole"

    /// Any other value: rows in whose description this stands.
    public static let part = isWhole ? nil : wish

    /// How many rows: in every run, and when everything is asked for.
    public static func count(_ few: Int, whole: Int) -> Int { isWhole ? whole : few }
}
