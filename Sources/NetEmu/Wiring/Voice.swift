// Where netemu's own sentences go. Whoever has something to say is given a voice; that it is standard error,
// only the program knows.

/// Takes what netemu says of itself.
struct Voice {
    /// Takes whole lines, each with its end.
    let write: (String) -> Void
    /// Takes a line that is on a terminal until the next is shown or said, or nil comes; nil where no terminal is.
    var show: ((String?) -> Void)?

    func warn(_ text: String) { write("netemu: warning: \(text)\n") }
    func say(_ text: String) { write("netemu: \(text)\n") }

    static var standardError: Voice {
        let stream = StandardStream.error
        return Voice(write: { stream.tell($0) }, show: stream.isTerminal ? { stream.show($0) } : nil)
    }
}
