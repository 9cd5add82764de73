// What the other end says, on its way to people.

/// Text of a peer, for a terminal.
public enum PeerText {
    /// Without what would disturb a terminal.
    public static func shown(_ bytes: some Collection<UInt8>) -> String {
        String(
            String.UnicodeScalarView(
                String(decoding: bytes, as: UTF8.self).unicodeScalars.map { $0.isShown ? $0 : "?" }))
    }

    /// The same of each line, at most `limit` of them.
    public static func lines(_ bytes: [UInt8], limit: Int = 1000) -> [String] {
        bytes.split(separator: 10).prefix(limit).map { shown($0) }
    }
}

extension Unicode.Scalar {
    /// It does nothing to a terminal.
    var isShown: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }
}
