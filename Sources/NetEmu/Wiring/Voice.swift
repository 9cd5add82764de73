// Where netemu's own sentences go. Whoever has something to say is given a voice; that it is standard error,
// only the program knows.

/// Takes what netemu says of itself.
struct Voice {
    /// Takes whole lines, each with its end.
    let write: (String) -> Void

    func warn(_ text: String) { write("netemu: warning: \(text)\n") }
    func say(_ text: String) { write("netemu: \(text)\n") }

    static var standardError: Voice { Voice { StandardStream.error.tell($0) } }
}
