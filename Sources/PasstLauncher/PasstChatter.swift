// What passt says at every start although nothing is wrong. Its --quiet leaves these lines in: they are warnings to
// passt, and no news to whoever started a guest.

/// Lines of passt's that tell of no trouble.
public enum PasstChatter {
    private static let beginnings = [
        "Started as root, will change to ", "No IPv4 nameserver available for DHCP",
        "No IPv6 nameserver available for NDP/DHCPv6", "Couldn't get any nameserver address",
    ]

    /// Whether `line` says nothing that a user of a quiet passt wants to know.
    public static func isHarmless(_ line: String) -> Bool {
        line.isEmpty || beginnings.contains { line.hasPrefix($0) }
    }
}
