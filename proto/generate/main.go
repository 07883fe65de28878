// Writes the descriptors of every package of go-control-plane's envoy module, and of all they import, as one FileDescriptorSet to
// standard output: in dependency order, byte for byte the same for the same module versions.
//
// Go registers a package's descriptors only when the package is linked, so the program first writes a file of blank imports next to
// itself (`go run . imports`), which `go run .` then links.
package main

import (
	"fmt"
	"log"
	"os"
	"sort"
	"strings"

	"golang.org/x/tools/go/packages"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const module = "github.com/envoyproxy/go-control-plane/envoy"

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "imports" {
		writeImports()
		return
	}
	writeDescriptors()
}

// writeImports lists every package of the module in imports.go.
func writeImports() {
	found, err := packages.Load(&packages.Config{Mode: packages.NeedName}, module+"/...")
	if err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("package main\n\nimport (\n")
	for _, pkg := range found {
		fmt.Fprintf(&text, "\t_ %q\n", pkg.PkgPath)
	}
	text.WriteString(")\n")
	if err := os.WriteFile("imports.go", []byte(text.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

// writeDescriptors visits the registered files by path, every file after those it imports.
func writeDescriptors() {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		files = append(files, file)
		return true
	})
	sort.Slice(files, func(i, j int) bool { return files[i].Path() < files[j].Path() })
	set, visited := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(file protoreflect.FileDescriptor) {
		if visited[file.Path()] || file.IsPlaceholder() {
			return
		}
		visited[file.Path()] = true
		for i := range file.Imports().Len() {
			visit(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, file := range files {
		visit(file)
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(bytes); err != nil {
		log.Fatal(err)
	}
}
