// Package store puts recordings where S3 is spoken, and fetches them from there.
//
// It knows nothing of what is in them, starts no goroutine (Run is its caller's to call
// beside a run), and must not import any package of ours but render, which shows text of
// strangers.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Scheme begins what names an object, or a place for some.
const Scheme = "s3://"

// Place is a bucket and what the names of objects in it begin with.
type Place struct{ bucket, prefix string }

// Parse reads s3://BUCKET/PREFIX.
func Parse(s string) (Place, error) {
	rest, ok := strings.CutPrefix(s, Scheme)
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(bucket, "@:?#") {
		return Place{}, fmt.Errorf("%q is no place in a store: write s3://BUCKET/PREFIX", s)
	}
	return Place{bucket, strings.TrimPrefix(prefix, "/")}, nil
}

// String is the place as it is given.
func (p Place) String() string { return Scheme + p.bucket + "/" + p.prefix }

// below is the place of a file within one.
func (p Place) below(name string) Place {
	return Place{p.bucket, strings.TrimPrefix(path.Join(p.prefix, name), "/")}
}

// Store is one that speaks S3.
type Store struct{ client *minio.Client }

// Open prepares to ask a store, and reads what the environment says of it: it is for
// while there is privilege. It opens no connection.
func Open() (*Store, error) {
	at := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("find the store: AWS_ENDPOINT_URL is %q, want https://HOST", at)
	}
	c, err := keys()
	if err != nil {
		return nil, err
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: c, Secure: u.Scheme == "https", Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")), MaxRetries: 1})
	if err != nil {
		return nil, fmt.Errorf("prepare to ask the store at %s: %w", u.Host, err)
	}
	return &Store{client}, nil
}

// keys are those of the environment, or of the AWS tools' file; none asks as anybody
// may.
func keys() (*credentials.Credentials, error) {
	v, err := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}).GetWithContext(nil)
	if err != nil {
		return nil, fmt.Errorf("read keys of the store: %w", err)
	}
	return credentials.NewStatic(v.AccessKeyID, v.SecretAccessKey, v.SessionToken, v.SignerType), nil
}

// put sends a file to a place.
func (s *Store) put(ctx context.Context, file string, to Place) error {
	_, err := s.client.FPutObject(ctx, to.bucket, to.prefix, file, minio.PutObjectOptions{ContentType: "application/x-pcapng", NumThreads: 1})
	if err != nil {
		return fmt.Errorf("put %s: %w", to, err)
	}
	return nil
}

// Fetch has an object as a file of the same name in a directory.
func (s *Store) Fetch(ctx context.Context, from Place, dir string) (file string, err error) {
	name := path.Base(from.prefix)
	if from.prefix == "" || strings.HasSuffix(from.prefix, "/") || name == "." || name == ".." {
		return "", fmt.Errorf("fetch %s: it names no object", from)
	}
	file = filepath.Join(dir, filepath.Base(name))
	if err := s.client.FGetObject(ctx, from.bucket, from.prefix, file, minio.GetObjectOptions{}); err != nil {
		return "", fmt.Errorf("fetch %s: %w", from, err)
	}
	return file, nil
}

// refused reports whether an error is one that trying again does not mend, and says
// what to do about it.
func refused(err error) (sort, hint string) {
	var r minio.ErrorResponse
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "gone", "it made room for others before it was sent: --save-limit more"
	case !errors.As(err, &r):
		return "away", ""
	}
	switch r.Code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
		return "keys", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case "NoSuchBucket", "InvalidBucketName":
		return "bucket", "make the bucket, or name another"
	}
	return "away", ""
}
