import Testing

/// The rules of the house, held against the working tree. Each failure says where, which rule, and why there is one.
@Suite struct TidyTests {
    private let repository = Repository()

    private func sources() throws -> [TextFile] { try repository.files(under: "Sources/", extensions: ["swift"]) }

    private func code() throws -> [TextFile] {
        try repository.files(extensions: ["swift", "c", "h", "py", "sh"])
    }

    @Test func theTreeIsFound() throws {
        let paths = try repository.files().map(\.path)
        for path in ["Package.swift", "Sources/ColaCore/Records/RecordBatch.swift", "Tests/TidyTests/TidyTests.swift"] {
            #expect(paths.contains(path))
        }
        #expect(!paths.contains { $0.hasPrefix(".build") || $0.hasPrefix(".git/") })
    }

    @Test func targetsImportOnlyWhatTheyMay() throws {
        Finding.report(try sources().flatMap(ImportRules.check))
    }

    @Test func theCoreIsPure() throws {
        Finding.report(try sources().flatMap(CoreRules.check))
    }

    @Test func whatIsRiskyHasAReason() throws {
        Finding.report(try sources().flatMap(ReasonRules.check))
    }

    @Test func filesAreNamedForWhatTheyHold() throws {
        Finding.report(try code().flatMap(FileRules.checkName))
    }

    @Test func mainTypesAreDescribed() throws {
        Finding.report(try sources().flatMap(FileRules.checkDocComment))
    }

    @Test func linesFitAndNothingIsLeftForLater() throws {
        Finding.report(try code().flatMap(FileRules.checkLines))
    }

    @Test func nothingNamesADevelopmentMachine() throws {
        Finding.report(try repository.files().flatMap(PlaceRules.check))
    }

    @Test func linksLeadSomewhere() throws {
        let pages = try repository.files(extensions: ["md"])
        #expect(!pages.isEmpty)
        Finding.report(pages.flatMap { LinkRules.check($0, exists: repository.holds) })
    }
}
