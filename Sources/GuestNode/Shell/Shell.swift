// The shell's machine: a script, where in it we are, the tool in the foreground. One command after
// the other; no jobs. Its whole state is this value.

import Bytes
import NetStack

/// The world a shell works in; not part of its state.
struct ShellWorld {
    let host: Host
    let files: any FileDoor
    let streams: Streams
    /// What a command reads that has no `<`.
    let input: StandardInput

    /// Text for standard error.
    func complain(_ text: String) { streams.output.write(text, .complaint) }
}

/// What a step of the shell came to.
enum ShellStep: Equatable, Sendable {
    /// The script is done; the status is in `status`.
    case idle
    case running(until: Instant?)
    case again
    /// `exit` was said.
    case exited(Int32)
}

struct Shell: Sendable {
    /// The tool that runs, with the files it was given.
    struct Foreground {
        var name: String
        var tool: Tool
        var input: StandardInput
        var output: StandardOutput
    }

    /// The exit status of the last command.
    var status: Int32 = 0
    /// The status that goes with a loss of what the last command wrote.
    var lostWrite = ExitStatus.failure
    var script = Script(commands: [])
    var next = 0
    var foreground: Foreground?

    var isIdle: Bool { foreground == nil && next >= script.commands.count }
    var isToolRunning: Bool { foreground != nil }

    /// Begins a script; what was left of an earlier one is forgotten.
    @discardableResult
    mutating func start(_ text: String, _ world: ShellWorld) -> Bool {
        next = 0
        do throws(ScriptError) {
            script = try Script(parsing: text)
            return true
        } catch {
            script = Script(commands: [])
            world.complain("sh: \(error)\n")
            status = ExitStatus.usage
            return false
        }
    }

    /// Runs until a tool waits. At most 64 commands a call, so that the network gets its turn.
    mutating func step(_ world: ShellWorld, now: Instant) -> ShellStep {
        for _ in 0..<64 {
            if foreground != nil {
                if let waiting = stepForeground(world, now) { return waiting }
            } else if next < script.commands.count {
                // Whoever reads is slow: the next command waits until what was said has been taken.
                guard world.streams.output.room > 0 else { return .running(until: nil) }
                let command = script.commands[next]
                next += 1
                guard command.connector.permits(status) else { continue }
                if let exit = begin(command, world, now) { return exit }
            } else {
                return .idle
            }
        }
        return .again
    }

    /// Ctrl-C: ends the tool and the rest of the script.
    mutating func interrupt(_ world: ShellWorld, now: Instant) {
        next = script.commands.count
        guard var running = foreground else { return }
        foreground = nil
        var context = context(world, running)
        let result = running.tool.interrupt(&context, now: now)
        finish(context, running.name, result, world)
    }

    private func context(_ world: ShellWorld, _ running: Foreground) -> ToolContext {
        ToolContext(
            host: world.host, files: world.files, streams: world.streams, input: running.input,
            output: running.output, lastStatus: status)
    }

    private mutating func stepForeground(_ world: ShellWorld, _ now: Instant) -> ShellStep? {
        guard var running = foreground else { return nil }
        foreground = nil
        var context = context(world, running)
        switch running.tool.step(&context, now: now) {
        case .finished(let result):
            finish(context, running.name, result, world)
            return nil
        case .running(let deadline):
            if context.fileError != nil {
                _ = running.tool.interrupt(&context, now: now)
                finish(context, running.name, ExitStatus.failure, world)
                return nil
            }
            foreground = running
            return .running(until: deadline)
        case .again:
            foreground = running
            return .again
        }
    }

    /// Starts a command; returns a step only for `exit`.
    private mutating func begin(_ command: Command, _ world: ShellWorld, _ now: Instant) -> ShellStep? {
        let words = command.words.map { $0.expanded(lastStatus: status) }
        guard let name = words.first, let entry = Toolbox.entry(named: name) else {
            world.complain("sh: \(words.first ?? ""): command not found\n")
            status = ExitStatus.notFound
            return nil
        }
        lostWrite = entry.lostWrite
        guard var running = open(command.redirections, name, world) else {
            status = ExitStatus.failure
            return nil
        }
        var context = context(world, running)
        do throws(UsageError) {
            switch try entry.start(Array(words.dropFirst()), &context, now) {
            case .finished(let result): finish(context, name, result, world)
            case .exit(let result):
                finish(context, name, result, world)
                next = script.commands.count
                return .exited(result)
            case .running(let tool):
                running.tool = tool
                foreground = running
            }
        } catch {
            world.complain("\(name): \(error)\nusage: \(entry.usage)\n")
            finish(context, name, ExitStatus.usage, world)
        }
        return nil
    }

    /// Opens a command's files; the last of a kind counts, all are opened. nil when one cannot be.
    private func open(_ redirections: [Redirection], _ name: String, _ world: ShellWorld) -> Foreground? {
        var result = Foreground(name: name, tool: .none, input: world.input, output: .console)
        do throws(FileError) {
            for redirection in redirections {
                switch redirection {
                case .input(let word) where StandardName(word.expanded(lastStatus: status)) == .input: break
                case .output(let word) where isStandardOutput(word), .append(let word) where isStandardOutput(word):
                    break
                case .output(let word) where isStandardError(word), .append(let word) where isStandardError(word):
                    result.output.close(by: world.files)
                    result.output = .errors
                case .input(let word):
                    let file = try OpenFile.open(word.expanded(lastStatus: status), for: .read, by: world.files)
                    result.input.close(by: world.files)
                    result.input = .file(file)
                case .output(let word):
                    let file = try OpenFile.open(word.expanded(lastStatus: status), for: .write, by: world.files)
                    result.output.close(by: world.files)
                    result.output = .file(file)
                case .append(let word):
                    let file = try OpenFile.open(word.expanded(lastStatus: status), for: .append, by: world.files)
                    result.output.close(by: world.files)
                    result.output = .file(file)
                }
            }
            return result
        } catch {
            world.complain("sh: \(error)\n")
            result.input.close(by: world.files)
            result.output.close(by: world.files)
            return nil
        }
    }

    /// Output goes there anyway.
    private func isStandardOutput(_ word: Word) -> Bool {
        StandardName(word.expanded(lastStatus: status)) == .output
    }

    private func isStandardError(_ word: Word) -> Bool {
        StandardName(word.expanded(lastStatus: status)) == .errors
    }

    private mutating func finish(_ context: ToolContext, _ name: String, _ result: Int32, _ world: ShellWorld) {
        context.input.close(by: world.files)
        context.output.close(by: world.files)
        status = result
        if let error = context.fileError {
            world.complain("\(name): \(error)\n")
            if result == ExitStatus.success { status = ExitStatus.failure }
        }
    }
}

extension StandardInput {
    fileprivate func close(by door: any FileDoor) {
        if case .file(let file) = self { file.close(by: door) }
    }
}

extension StandardOutput {
    fileprivate func close(by door: any FileDoor) {
        if case .file(let file) = self { file.close(by: door) }
    }
}
