// netemu as a newcomer uses it: a pipe, a file or nothing at standard input, output that goes nowhere or to somebody slow.

import Glibc
import TestSupport
import Testing

extension Ground {
    /// Runs a line of sh in which `netemu` and $PASST are what is tested.
    func shell(_ line: String, seconds: Double = 30) throws -> Child {
        let netemu = try Peers.built("netemu").require()
        let folder = netemu.split(separator: "/").dropLast().joined(separator: "/")
        let child = try namespace.start(
            ["sh", "-c", line], directory: directory.path,
            environment: [
                "PATH": "/\(folder):/usr/sbin:/usr/bin:/sbin:/bin", "PASST": passt, "XDG_RUNTIME_DIR": runtime,
            ])
        try child.wait(seconds: seconds)
        return child
    }
}

@Suite("standard streams")
struct PipedConsoleTests {
    private static let nic = "netemu -nic passt,path=$PASST"

    private func shell(_ ground: Ground, _ line: String, seconds: Double = 30) throws -> Child {
        try ground.shell(line, seconds: seconds)
    }

    @Test("commands from a pipe are run when there is an address, and the last one's status is netemu's")
    func pipe() throws {
        try withGround(as: .mapped) { ground in
            let get = "curl -s http://\(gateway):8080/bytes/3"
            let good = try shell(ground, "echo '\(get) --sha256 -o f && ip -br addr' | \(Self.nic)")
            #expect(good.status == .exited(0), "\(good.transcript)")
            #expect(good.output.contains("received 3 bytes sha256 ") && good.output.contains("198.51.100.2/24"))
            #expect(!good.output.contains("~#") && !good.output.contains("\r"))
            #expect(good.errors == "")
            let bad = try shell(ground, "printf 'echo a\\nexit 7\\necho b\\n' | \(Self.nic)")
            #expect(bad.status == .exited(7))
            #expect(bad.output == "a\n")
            #expect(ground.leftovers == [])
        }
    }

    @Test("a script comes from standard input, from a pipe that is late, and from a file")
    func script() throws {
        try withGround(as: .mapped) { ground in
            let run = "\(Self.nic) -guest node,script="
            let late = try shell(ground, "(sleep 0.3; echo 'echo a;'; sleep 0.3; echo 'false') | \(run)/dev/stdin")
            #expect(late.status == .exited(1), "\(late.transcript)")
            #expect(late.output == "a\n")
            let file = try shell(ground, "echo 'echo b' >s; \(run)s; mkfifo p; echo 'echo c' >p & \(run)p")
            #expect(file.status == .exited(0), "\(file.transcript)")
            #expect(file.output == "b\nc\n")
        }
    }

    @Test("a tool reads what is left of a pipe, and the shell goes on behind it")
    func toolReads() throws {
        try withGround(as: .mapped) { ground in
            for line in ["x", "x\\n", "x\\ny\\n"] {
                let told = try shell(ground, "printf 'nc -N \(gateway) 9007\\n\(line)' | \(Self.nic)")
                #expect(told.status == .exited(0), "\(told.transcript)")
                #expect(told.output == line.replacing("\\n", with: "\n"), "\(told.transcript)")
            }
        }
    }

    @Test("a command that cannot be read is the last of a pipe, as in a shell", arguments: ["&& b", "echo >", "( x"])
    func unreadable(command: String) throws {
        try withGround(as: .mapped) { ground in
            let told = try shell(ground, "printf 'echo a\\necho b && \(command)\\necho after\\n' | \(Self.nic)")
            #expect(told.status == .exited(2) && told.output == "a\n", "\(told.transcript)")
        }
    }

    @Test("an input that cannot be read is told, and is no success; half a script is none")
    func unreadableInput() throws {
        try withGround(as: .mapped) { ground in
            let told = try shell(ground, "\(Self.nic) </")
            #expect(told.errors == "netemu: warning: standard input ends here: read: Is a directory\n")
            #expect(told.status == .exited(1), "\(told.transcript)")
            // Its first byte is EIO.
            let disk = try shell(ground, "\(Self.nic) </proc/self/mem")
            #expect(disk.errors == "netemu: warning: standard input ends here: read: Input/output error\n")
            #expect(disk.status == .exited(1), "\(disk.transcript)")
            let script = try shell(ground, "netemu -nic none -guest node,script=/proc/self/mem")
            let said = "netemu: -guest node,script=/proc/self/mem: read /proc/self/mem: Input/output error\n"
            #expect(script.errors == said && script.status == .exited(125), "\(script.transcript)")
        }
    }

    @Test("a reader who has had enough is no news: silence, and the status that SIGPIPE gives, or a tool's own")
    func goneReader() throws {
        try withGround(as: .mapped) { ground in
            let print = "(printf 'info version\\n'; sleep 0.5; printf 'info status\\nquit\\n')"
            for (line, status) in [
                ("\(print) | netemu -nic none -monitor stdio", 141), ("sleep 0.5; netemu -help", 141),
                ("netemu -nic none -guest node,run='sleep 0.5; echo a'", 1),
                ("(sleep 0.5; echo 'echo a; exit 7') | netemu -nic none", 7),
            ] {
                let child = try shell(ground, "{ \(line); echo status $? >&2; } | :")
                #expect(child.errors == "status \(status)\n", "\(line)\n\(child.transcript)")
            }
        }
    }

    @Test("-S with a pipe at the console, and no monitor: nothing could ever go on, so nothing is begun")
    func stoppedPipe() throws {
        try withGround(as: .mapped) { ground in
            let child = try shell(ground, "echo 'echo a' | \(Self.nic) -S")
            #expect(child.status == .exited(1) && child.output == "", "\(child.transcript)")
            #expect(child.errors.hasPrefix("netemu: -S: the guest will never run: there is no monitor"))
        }
    }

    @Test("output to a full device is told in one line, and the status is curl's")
    func full() throws {
        try withGround(as: .mapped) { ground in
            let told = "netemu: standard output: No space left on device\n"
            for bytes in [6, 6_000_000] {
                let script = "curl -s http://\(gateway):8080/bytes/\(bytes)"
                let task = try shell(ground, "\(Self.nic) -guest node,run='\(script)' >/dev/full")
                #expect(task.status == .exited(23) && task.errors == told, "\(task.transcript)")
                let pipe = try shell(ground, "echo '\(script)' | \(Self.nic) >/dev/full")
                #expect(pipe.status == .exited(23) && pipe.errors == told, "\(pipe.transcript)")
            }
            let echo = try shell(ground, "netemu -nic none -guest node,run='echo hi' >/dev/full")
            #expect(echo.status == .exited(1) && echo.errors == told, "\(echo.transcript)")
            let help = try shell(ground, "netemu -help >/dev/full")
            #expect(help.status == .exited(1) && help.errors == told, "\(help.transcript)")
        }
    }

    @Test("a closed standard output is a write error as in any other tool, never a socket's number")
    func closed() throws {
        try withGround(as: .mapped) { ground in
            let told = "netemu: standard output: Bad file descriptor\n"
            let lines = [
                ("netemu -help", 1), ("netemu -nic none -guest node,run='echo hi'", 1),
                ("echo 'curl -s http://\(gateway):8080/bytes/6' | \(Self.nic)", 23),
                ("echo quit | netemu -nic none -monitor stdio", 1),
                ("echo 'exit 7' | netemu -nic none", 7),
            ]
            for (line, status) in lines {
                let child = try shell(ground, "\(line) >&-")
                #expect(child.status == .exited(Int32(status)), "\(line)\n\(child.transcript)")
                #expect(child.errors == (status == 7 ? "" : told), "\(line)")
            }
            let full = try shell(ground, "echo quit | netemu -nic none -monitor stdio >/dev/full")
            #expect(full.status == .exited(1), "\(full.transcript)")
            #expect(full.errors == "netemu: standard output: No space left on device\n")
            let nothing = try shell(ground, "netemu -nic none -guest node,run='true' >&- 2>&- <&-")
            #expect(nothing.status == .exited(0))
        }
    }

    @Test("a reader who takes his time gets every byte before netemu ends")
    func slowReader() throws {
        try withGround(as: .mapped) { ground in
            let script = "curl -s http://\(gateway):8080/bytes/3000000"
            let task = try shell(ground, "\(Self.nic) -guest node,run='\(script)' | (sleep 2; wc -c)")
            #expect(task.output == "3000000\n", "\(task.transcript)")
            let pipe = try shell(ground, "echo '\(script)' | \(Self.nic) | (sleep 2; wc -c)")
            #expect(pipe.output == "3000000\n", "\(pipe.transcript)")
        }
    }

    @Test("with nothing at standard input netemu says what it does, and how to end it")
    func nobody() throws {
        try withGround(as: .mapped) { ground in
            let child = try ground.start(["-nic", "passt,path={passt}"])
            try child.wait(for: "running, a card on passt, with no console and no monitor; kill \(child.pid) ends it")
            child.signal(SIGTERM)
            #expect(try child.wait() == .exited(0))
            #expect(child.output == "")
        }
    }

    @Test("without an address there is a warning, a word, and a status of its own; time has a limit, too")
    func limits() throws {
        try withGround(as: .mapped) { ground in
            let deaf = try shell(ground, "\(Self.nic),dhcp=off -guest node,wait=1,run='echo no'")
            #expect(deaf.status == .exited(123) && deaf.output == "", "\(deaf.transcript)")
            #expect(deaf.errors.contains("warning: -nic passt,path=\(ground.passt),dhcp=off: with dhcp=off the guest"))
            #expect(deaf.errors.contains("eth0: no address within 1 s; the script is not run\n"))
            let long = try shell(ground, "\(Self.nic) -guest node,timeout=1,run='echo a; sleep 100; echo b'")
            #expect(long.status == .exited(124) && long.output == "a\n", "\(long.transcript)")
            let alone = try shell(ground, "netemu -nic none -guest node,wait=1")
            #expect(alone.status == .exited(1) && alone.errors.contains("wait= needs run= or script="))
        }
    }

    @Test("a passt without --vhost-user behind a vhost-user socket is named as that")
    func plainPasst() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/plain.sock"
            let passt = try ground.namespace.start([ground.passt, "-f", "--socket", path])
            try passt.wait(for: "You can now start qemu")
            let netemu = try ground.start([
                "-chardev", "socket,id=c0,path=\(path)", "-netdev", "vhost-user,id=n0,chardev=c0", "-device",
                "virtio-net,netdev=n0",
            ])
            #expect(try netemu.wait(seconds: 20) == .exited(1))
            #expect(netemu.errors.contains("a passt without --vhost-user?"), "\(netemu.transcript)")
        }
    }
}
