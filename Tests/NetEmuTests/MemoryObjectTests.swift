// The memory that -object, -machine and -numa ask for, made: files, what is shared, and what is given back.

import Glibc
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite("memory that options ask for")
struct MemoryObjectTests {
    @Test("objects are made in their order, those that nobody uses, too; what fails is QEMU's sentence")
    func made() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path
            func memory(_ objects: String) throws -> MemoryObjects {
                try MemoryObjects(CommandLineTests.build("-nic none " + objects.replacing("{}", with: path)).memory)
            }
            func failure(_ objects: String) throws -> String? {
                do {
                    _ = try memory(objects)
                    return nil
                } catch let error as EmulationError { return error.text.replacing(path, with: "{}") }
            }
            let file = "-object memory-backend-file,size=16M,share=on"
            let parts = try memory(
                "\(file),id=a,mem-path={}/a -object memory-backend-ram,id=b,size=16M "
                    + "\(file),id=c,mem-path={}/c -m 32M -numa node,memdev=b -numa node,memdev=a")
            #expect(parts.ids == ["a", "b", "c"] && directory.entries == ["a", "c"])
            parts.guest.span(at: (16 << 20) + 5, count: 1)?.copyBytes(from: [9])
            #expect(try SmallFile.read(path + "/a", limit: 16 << 20 | 1)[5] == 9)
            #expect(parts.guest.size == 32 << 20)
            #expect(
                try failure("\(file),id=m,mem-path={}/no/such")
                    == "can't open backing store {}/no/such for guest RAM: No such file or directory")
            #expect(try failure("\(file),id=m,mem-path={}/a") == "{}/a is guest memory already")
            try SmallFile.write([1, 2, 3], to: path + "/short")
            #expect(
                try failure("\(file),id=m,mem-path={}/short")
                    == "m backing store size 0x3 is too small for 'size' option 0x1000000 plus 'offset' option 0x0")
            #expect(
                try failure("\(file),id=m,mem-path=/dev/null")
                    == "unable to map backing store for guest RAM: No such device")
            withExtendedLifetime(parts) {}
        }
    }

    @Test("what share= says is so at run time, whatever the object")
    func sharing() throws {
        for type in ["ram", "memfd"] {
            for isShared in [true, false] {
                let object = "memory-backend-\(type),id=m,size=16M,prealloc=on,share=\(isShared ? "on" : "off")"
                let made = try CommandLineTests.build("-nic none -object \(object) -machine memory-backend=m")
                #expect(try MemoryObjects(made.memory).guest.isShared == isShared, "\(object)")
            }
        }
    }

    @Test("what is of no use to anybody at the end is given back, also where nothing comes of the beginning")
    func discarded() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            // Compared as a whole: byte by byte it takes minutes under a sanitizer.
            let zeros = [UInt8](repeating: 0, count: 16 << 20)
            func isEmpty() throws -> Bool { try SmallFile.read(path, limit: zeros.count | 1) == zeros }
            let object = "-object memory-backend-file,id=m,size=16M,share=on,discard-data=on,mem-path=\(path)"
            let bad =
                "-netdev hubport,id=h,hubid=0 -object filter-dump,id=f,netdev=h,file=\(directory.path)/no/such"
            for more in [bad, "-object memory-backend-file,id=n,size=16M,mem-path=\(directory.path)/no/such"] {
                try SmallFile.write([UInt8](repeating: 3, count: 16 << 20), to: path)
                let plan = try CommandLineTests.build("-guest none -nodefaults -m 16 \(object) \(more)")
                let doors = Emulation.Doors(programs: NetdevPrograms(), voice: SaidLines().voice)
                #expect(throws: EmulationError.self) { _ = try Emulation(plan, doors, on: try Reactor()) }
                #expect(try isEmpty(), "\(more)")
            }
        }
    }

    @Test("nobody hears of memory that was given back")
    func closed() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            let object = "-object memory-backend-file,id=m,size=16M,share=on,mem-path=\(path)"
            let plan = try CommandLineTests.build("-nic none \(object) -machine memory-backend=m")
            let reactor = try Reactor()
            var losses: [String] = []
            func lose() throws {
                let memory = try MemoryObjects(plan.memory)
                try memory.watch(on: reactor) { losses.append($0.text) }
                if !losses.isEmpty { memory.close() }
                truncate(path, 4096)
                #expect(memory.guest.span(at: 8192, count: 1)?[0] == 0)
                try reactor.turn(maxWaitNanoseconds: 0)
                truncate(path, 0)
            }
            try lose()
            #expect(losses.count == 1)
            try lose()
            #expect(losses.count == 1)
        }
    }
}
