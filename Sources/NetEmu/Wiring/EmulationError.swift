// Why netemu, or a part of it, could not start or go on, and why a command of the monitor was not carried out.

/// One sentence, the option at fault, and what to do instead.
package struct EmulationError: Error, Equatable {
    /// What a program that drives netemu tells errors apart by: QEMU's classes.
    enum Reason: Equatable { case general, deviceNotFound }

    /// The option as typed; nil when none is at fault, or when the monitor asked.
    var location: String?
    let text: String
    /// What does not come about because of that; QEMU says it in a sentence of its own.
    private(set) var consequence: String?
    var hints: [String] = []
    private(set) var reason = Reason.general

    init(location: String? = nil, text: String, hints: [String] = []) {
        self.location = location
        self.text = text
        self.hints = hints
    }

    package init(_ text: String) { self.init(text: text) }

    /// A sentence of several lines is a sentence and suggestions.
    init(location: String?, sentence: String) {
        let lines = sentence.split(separator: "\n").map(String.init)
        self.init(location: location, text: lines.first ?? sentence, hints: Array(lines.dropFirst()))
    }

    init(_ error: OptionError) {
        self.init(location: error.location, text: error.text, hints: error.hints)
        consequence = error.consequence
    }

    /// Nothing is called so.
    static func noDevice(_ name: String) -> EmulationError {
        var error = EmulationError(text: "Device '\(name)' not found")
        error.reason = .deviceNotFound
        return error
    }

    /// The same error, said of `location` unless it already names one.
    func located(at location: String?) -> EmulationError {
        var error = self
        error.location = error.location ?? location
        return error
    }

    /// What `body` throws, as an error of the emulation.
    static func wrapping<T>(_ body: () throws(OptionError) -> T) throws(EmulationError) -> T {
        do throws(OptionError) { return try body() } catch { throw EmulationError(error) }
    }

    var message: String { OptionError(at: location, text, consequence: consequence, hints: hints).message }
}
