// Why netemu, or a part of it, could not start or go on.

/// One sentence, the option at fault, and what to do instead.
struct EmulationError: Error, Equatable {
    /// The option as typed; nil when none is at fault, or when the monitor asked.
    var location: String?
    let text: String
    var hints: [String] = []

    init(location: String? = nil, text: String, hints: [String] = []) {
        self.location = location
        self.text = text
        self.hints = hints
    }

    /// A sentence of several lines is a sentence and suggestions.
    init(location: String?, sentence: String) {
        let lines = sentence.split(separator: "\n").map(String.init)
        self.init(location: location, text: lines.first ?? sentence, hints: Array(lines.dropFirst()))
    }

    /// The same error, said of `location` unless it already names one.
    func located(at location: String?) -> EmulationError {
        var error = self
        error.location = error.location ?? location
        return error
    }

    init(_ error: OptionError) {
        self.init(location: error.location, text: error.text, hints: error.hints)
    }

    var message: String { OptionError(at: location, text, hints: hints).message }

    /// The monitor's word for which arguments could not be read; QEMU says that in another form.
    var command: String?

    /// What the monitor prints.
    var monitorLines: [String] {
        guard let command else { return ["Error: \(text)"] + hints }
        return ["netemu: \(text)"] + hints + ["Try \"help \(command)\" for more information"]
    }
}
